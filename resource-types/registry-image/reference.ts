/** A repository at a registry. */
export interface Repository {
  /** Host and port as the API is asked for, `registry-1.docker.io` for Docker Hub. */
  readonly host: string;
  /** Path of the repository, `library/alpine` for `alpine` at Docker Hub. */
  readonly name: string;
  /** True when the text named no host: then it is at Docker Hub, and a mirror may stand in for it. */
  readonly isUnqualified: boolean;
}

const HUB = 'registry-1.docker.io';
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/i;

/** Takes `alpine`, `concourse/concourse` or `registry.test:5000/team/app` apart; undefined when it is none of these. */
export function parseRepository(text: string): Repository | undefined {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isQualified = first === 'localhost' || /[.:\]]/.test(first);
  const path = isQualified ? text.slice(slash + 1) : text;
  const isHub = !isQualified || ['docker.io', 'index.docker.io'].includes(first);
  if (path.length > 255 || !PATH.test(path) || (isQualified && !isHost(first))) return undefined;
  return {
    host: isHub ? HUB : first,
    name: isHub && !path.includes('/') ? `library/${path}` : path,
    isUnqualified: !isQualified,
  };
}

/** True for a host name or address with or without a port, and nothing else. */
export function isHost(text: string): boolean {
  return HOST.test(text) && URL.canParse(`http://${text}/`);
}

/** True when the host is this machine, where plain HTTP is no risk. */
export function isLoopback(host: string): boolean {
  const { hostname } = new URL(`http://${host}/`);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);
}

/** True when the text may be a tag. */
export function isTag(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(text);
}
