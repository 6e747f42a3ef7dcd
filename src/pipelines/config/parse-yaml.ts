import type { JsonValue } from '../../model/index.js';
import { readYaml } from './yaml-reader.js';

/**
 * The value of a YAML text that is no pipeline, such as a file of vars, by the rules of pipelines: dates and `9:00` are text,
 * `<<` merges. `what` names the text.
 * @throws with the first line at fault only: the reader's words would quote the text, which may be secret.
 */
export function parseYaml(text: string, what: string): JsonValue {
  const { value, findings } = readYaml(text);
  const [first] = findings;
  if (first) throw new Error(`${what} is not valid YAML: line ${first.place.line} cannot be read`);
  return value ?? null;
}
