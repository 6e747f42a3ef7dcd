import { fileURLToPath } from 'node:url';

/** Where a repository is, taken apart so that credentials never travel in the URI. */
export interface RepositoryUri {
  /** What git is given, without user and password when the transport is http(s). */
  readonly clean: string;
  /** User and password that stood in an http(s) URI. */
  readonly username?: string;
  readonly password?: string;
  /** Undefined for a repository on this machine. */
  readonly host?: string;
  readonly isLocal: boolean;
}

const SCP_FORM = /^(?:[^@/:\s]+@)?(\[[^\]]+\]|[^/:\s[\]]+):(?!\/\/)/;

/**
 * Takes a repository's address apart: `https://…`, `ssh://…`, `git://…`, `file://…`, `user@host:path` or a path.
 * @returns undefined when git would not know the form or would run a program for it (`ext::…`, `-…`).
 */
export function parseRepositoryUri(uri: string): RepositoryUri | undefined {
  // Newlines and NULs could forge lines of the credential file or of the configuration.
  if (uri === '' || uri.startsWith('-') || /\p{Cc}/u.test(uri) || /^\w+::/.test(uri)) return undefined;
  if (uri.startsWith('/') || uri.startsWith('./') || uri.startsWith('../')) return { clean: uri, isLocal: true };
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(uri)) {
    const host = SCP_FORM.exec(uri)?.[1];
    return host === undefined || host.startsWith('-') ? undefined : { clean: uri, host, isLocal: false };
  }
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  switch (url?.protocol) {
    case 'file:':
      return { clean: uri, isLocal: true };
    case 'ssh:':
    case 'git:':
      return url.host === '' || url.hostname.startsWith('-')
        ? undefined
        : { clean: uri, host: url.host, isLocal: false };
    case 'http:':
    case 'https:': {
      const { username, password } = url;
      url.username = '';
      url.password = '';
      return {
        clean: username === '' && password === '' ? uri : url.href,
        host: url.host,
        isLocal: false,
        ...(username === '' ? {} : { username: decodeURIComponent(username), password: decodeURIComponent(password) }),
      };
    }
    default:
      return undefined;
  }
}

/** The page of a commit at the hosts whose form of it is known; undefined elsewhere. */
export function commitPage(uri: string, sha: string): string | undefined {
  const match = /^(?:(?:https?|ssh|git):\/\/)?(?:[^@/]*@)?([a-z0-9.-]+?)(?::\d+)?[/:](.+?)(?:\.git)?\/?$/i.exec(uri);
  const [host, path] = [match?.[1]?.toLowerCase(), match?.[2]];
  if (host === undefined || path === undefined) return undefined;
  if (host === 'github.com') return `https://github.com/${path}/commit/${sha}`;
  if (host === 'gitlab.com' || host.startsWith('gitlab.')) return `https://${host}/${path}/-/commit/${sha}`;
  if (host === 'bitbucket.org') return `https://bitbucket.org/${path}/commits/${sha}`;
  return undefined;
}

/** The folder of a repository on this machine. */
export function localPath(uri: string): string {
  return uri.startsWith('file:') ? fileURLToPath(uri) : uri;
}
