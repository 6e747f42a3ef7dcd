/**
 * Bytes of a memory size such as `512MB`, `1GiB` or `1073741824`; units are powers of 1024.
 * @returns undefined when the text is none.
 */
export function parseMemoryBytes(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d+)\s*(?:([kmg])i?)?b?$/i.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
}
