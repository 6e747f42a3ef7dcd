/** What stands between the double brackets of `((source:path.field))`. */
export interface VarReference {
  /** Name of a var source; `.` for the build's own local vars; undefined for the default sources. */
  readonly source?: string;
  readonly path: string;
  /** Keys to follow into the value. */
  readonly fields: readonly string[];
  /** As written, without the brackets. */
  readonly text: string;
}

/** A var in a text; text that does not match (a space inside, say) is ordinary text. There is no escape. */
export const REFERENCE = /\(\(((?:[-/.\p{L}\p{N}_]+:)?[-/.:@"\p{L}\p{N}_]+)\)\)/gu;

/**
 * Takes `source:path.field` apart. Segments in double quotes may hold dots and colons.
 * @returns undefined when it is no reference: an empty segment or a quote that does not close.
 */
export function parseReference(text: string): VarReference | undefined {
  const colon = /^([^":]+):(.+)$/s.exec(text);
  const [source, rest] = colon ? [colon[1], colon[2] ?? ''] : [undefined, text];
  const segments = splitPath(rest);
  const [path, ...fields] = segments ?? [];
  if (path === undefined) return undefined;
  return { ...(source === undefined ? {} : { source }), path, fields, text };
}

function splitPath(path: string): string[] | undefined {
  if (!/^(?:"[^"]+"|[^".]+)(?:\.(?:"[^"]+"|[^".]+))*$/.test(path)) return undefined;
  return [...path.matchAll(/"([^"]+)"|([^".]+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}
