const MOST_LAYERS = 8;

/**
 * A path of this server to go to after a login; `/` for everything else: other hosts, schemes, backslashes and control
 * characters, however often they are escaped.
 */
export function localPath(given: string | undefined): string {
  if (given === undefined || !isLocal(given)) return '/';
  let text = given;
  for (let layer = 0; layer < MOST_LAYERS; layer++) {
    let inner: string;
    try {
      inner = decodeURIComponent(text);
    } catch {
      return '/';
    }
    if (inner === text) return given;
    if (!isLocal(inner)) return '/';
    text = inner;
  }
  return '/';
}

function isLocal(path: string): boolean {
  // eslint-disable-next-line no-control-regex -- browsers drop some of them, which would join two slashes
  return /^\/(?!\/)/.test(path) && !path.includes('\\') && !path.includes('//') && !/[\u0000-\u001f\u007f]/.test(path);
}

/** The path with a parameter more. */
export function withParameter(path: string, name: string, value: string): string {
  const url = new URL(path, 'http://local');
  url.searchParams.set(name, value);
  return `${url.pathname}${url.search}${url.hash}`;
}
