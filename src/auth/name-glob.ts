/** Is the name one of the globs, in which `*` stands for any letters and everything else for itself? */
export function matchesAny(globs: readonly string[], name: string): boolean {
  return globs.some((glob) => matches(glob, name));
}

/** Without a regular expression: a glob of many stars must not take long. */
function matches(glob: string, name: string): boolean {
  const [head = '', ...rest] = glob.split('*');
  if (!name.startsWith(head)) return false;
  const tail = rest.pop();
  if (tail === undefined) return name === glob;
  let at = head.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - tail.length >= at && name.endsWith(tail);
}
