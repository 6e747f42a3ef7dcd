/** Does the text stand for more than itself? */
export function isGlob(pattern: string): boolean {
  return /[*?[{]/.test(pattern);
}

/**
 * Is `name` the name, or matched by the glob (`*`, `?`, `[a-z]`, `[^a-z]`, `{a,b}`)? A broken glob matches only itself;
 * {@link isBrokenGlob} tells.
 */
export function matchesName(pattern: string, name: string): boolean {
  return pattern === name || (isGlob(pattern) && (compile(pattern)?.test(name) ?? false));
}

/** A bracket or brace that does not close, or an impossible range. */
export function isBrokenGlob(pattern: string): boolean {
  return isGlob(pattern) && compile(pattern) === undefined;
}

const PART = /\*+|\?|\[\^?[^\]]+\]|\{[^{}]*\}|\\.|[^*?[{\\]/gsu;

function compile(pattern: string): RegExp | undefined {
  const parts = pattern.match(PART) ?? [];
  if (parts.join('') !== pattern) return undefined;
  try {
    return new RegExp(`^${parts.map(translate).join('')}$`, 'su');
  } catch {
    return undefined; // a range such as [z-a]
  }
}

function translate(part: string): string {
  if (part.startsWith('*')) return '.*';
  if (part === '?') return '.';
  if (part.length === 1) return escape(part);
  if (part.startsWith('\\')) return escape(part.slice(1));
  if (part.startsWith('{')) return `(?:${part.slice(1, -1).split(',').map(escape).join('|')})`;
  const negated = part.startsWith('[^');
  const ranges = part.slice(negated ? 2 : 1, -1).replace(/[\\[\]^&~|]/g, '\\$&');
  return `[${negated ? '^' : ''}${ranges}]`;
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
