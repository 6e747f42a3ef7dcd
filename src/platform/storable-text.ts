/** Why PostgreSQL cannot hold the text, in words that follow its place; undefined when it can. */
export function unstorable(text: string): string | undefined {
  if (text.includes('\0')) return 'text must not hold the NUL character';
  return /\p{Surrogate}/u.test(text) ? 'text must be well-formed Unicode; half of a surrogate pair is none' : undefined;
}
