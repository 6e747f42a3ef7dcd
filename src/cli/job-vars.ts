import { JOB_VAR_TYPES, type JobVarConfig, type JobVarType, type JsonObject, type JsonValue } from '../model/index.js';
import { CliError } from './io.js';
import { isMap } from './pipeline-ref.js';
import { parseYaml, readVars, type VarOptions } from './vars.js';

/**
 * The vars of a build as options give them; undefined when they give none. The value of a `-v` is read by the type that its
 * var declares, a field of a map as text; `-y` and files bring types of their own, which the server judges.
 * @param declared asks the server for the vars of the job
 * @throws CliError naming the var and its type
 */
export async function jobVars(
  options: VarOptions,
  declared: () => Promise<readonly JobVarConfig[]>,
): Promise<JsonObject | undefined> {
  const { var: pairs, yamlVar, loadVarsFrom } = options;
  if (!pairs && !yamlVar && !loadVarsFrom) return undefined;
  const known = pairs ? await declared() : [];
  return readVars(options, (name, text) => valueOf(name, text, known.find((each) => each.name === name)?.type));
}

/** What is not declared stays text: the server says that it is not. */
function valueOf(name: string, text: string, type: JobVarType = 'string'): JsonValue {
  if (type === 'string') return text;
  const value = parseYaml(text, `var ${name}`);
  if (typeOf(value) === type) return value;
  throw new CliError(`var ${name} is of type ${type}, which '${text}' is not${EXAMPLES[type]}`);
}

const EXAMPLES: Readonly<Record<Exclude<JobVarType, 'string'>, string>> = {
  number: '; write it like 3 or 2.5',
  boolean: '; write true or false',
  list: '; write it like [a, b]',
  map: '; write it like {a: 1}',
};

function typeOf(value: JsonValue): JobVarType | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return undefined;
  const kind = Array.isArray(value) ? 'list' : isMap(value) ? 'map' : typeof value;
  return JOB_VAR_TYPES.find((type) => type === kind);
}
