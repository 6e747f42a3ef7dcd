import { isDeepStrictEqual } from 'node:util';
import { didYouMean, JOB_VAR_TYPES, type JobVarConfig, type JobVarType, type JsonValue } from '../../model/index.js';
import { varsIn } from '../vars/index.js';
import type { Path } from './finding.js';
import { checkIdentifier } from './identifier.js';
import { anyOf } from './json-schema.js';
import { JOB_VAR } from './meanings.js';
import {
  anything,
  described,
  extension,
  fields,
  flag,
  isMap,
  kindOf,
  list,
  looseText,
  oneOf,
  text,
  type Findings,
} from './shape.js';

const declarations = list(
  fields(
    {
      name: text,
      type: oneOf(...JOB_VAR_TYPES),
      required: flag,
      default: anything,
      options: list(anything),
      description: looseText,
    },
    { required: { name: 'has no name', type: 'has no type' }, meanings: JOB_VAR },
  ),
);
/** The key `vars` of a job. */
export const jobVars = extension(
  'Values that whoever starts a build gives; in the build `((.:name))`.',
  described(anyOf(declarations.json), declarations), // a choice, so that the mark stands at the key itself
);

/** Values are kept with every build and shown in every list of builds. Counted as JSON. */
const MAX_BYTES = 64 * 1024;

const WORDS: Readonly<Record<JobVarType, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  list: 'a list',
  map: 'a map',
};

/** Something wrong with the vars given for a build. */
export interface JobVarProblem {
  /** For example `vars.customer`. */
  readonly path: string;
  readonly message: string;
}

/** Everything that is wrong with the vars given for a build of a job. Values are taken as they are, and not told. */
export function jobVarProblems(
  declared: readonly JobVarConfig[],
  given: Readonly<Record<string, unknown>>,
): JobVarProblem[] {
  if (isTooLarge(given)) return [{ path: 'vars', message: TOO_LARGE }]; // also a bound of what follows
  const names = declared.map(({ name }) => name);
  const wrong = Object.entries(given).flatMap(([name, value]) => {
    const own = declared.find((each) => each.name === name);
    const fault = own ? valueFault(own, value) : unknownVar(name, names);
    return fault === undefined ? [] : [{ path: `vars.${name}`, message: fault }];
  });
  const missing = declared
    .filter(({ name, required }) => required === true && !Object.hasOwn(given, name))
    .map(({ name, type, description }) => ({
      path: `vars.${name}`,
      message: `is required: ${WORDS[type]}${description === undefined ? '' : ` (${description})`}`,
    }));
  return [...wrong, ...missing];
}

/** Checks the `vars` of a job. @returns their names. */
export function checkJobVars(vars: readonly JobVarConfig[], at: Path, found: Findings): Set<string> {
  const names = new Set<string>();
  vars.forEach((declared, index) => {
    const { name } = declared;
    if (name !== undefined) checkName(name, names, [...at, index, 'name'], found);
    checkValues(declared, [...at, index], found);
  });
  const defaults = vars.map((each) => each.default);
  if (isTooLarge(defaults)) found.problem(at, `the defaults: ${TOO_LARGE}`);
  return names;
}

function checkName(name: string, names: Set<string>, at: Path, found: Findings): void {
  checkIdentifier(name, at, found);
  if (names.has(name)) found.problem(at, `repeated var name '${name}'`);
  else if (name !== '' && !canBeNamed(name)) {
    found.problem(at, `((.:${name})) does not name a var '${name}'`, {
      hint: 'use letters, digits, - and _: what follows a dot is a field of the value',
    });
  }
  names.add(name);
}

function canBeNamed(name: string): boolean {
  const [reference] = varsIn(`((.:${name}))`);
  return reference?.text === `.:${name}` && reference.path === name && reference.fields.length === 0;
}

function checkValues(declared: JobVarConfig, at: Path, found: Findings): void {
  const { type, required, default: value, options } = declared;
  if (required === true && value !== undefined) {
    found.problem([...at, 'required'], "has a 'default', so it can never be missing", {
      hint: "leave one of 'required' and 'default' out",
    });
  }
  if (options?.length === 0) found.problem([...at, 'options'], 'is empty, so the var could have no value');
  const values: [Path, JsonValue][] = (options ?? []).map((option, index) => [[...at, 'options', index], option]);
  if (value !== undefined) values.push([[...at, 'default'], value]);
  for (const [place, each] of values) {
    const fault = type === undefined ? undefined : typeFault(type, each);
    if (fault !== undefined) found.problem(place, fault);
    for (const { text } of varsIn(each)) {
      found.warn('pipeline', place, `((${text})) is filled in only if it has a value when the pipeline is set`);
    }
  }
  if (value !== undefined && options && options.length > 0 && !isOption(options, value)) {
    found.problem([...at, 'default'], `must be one of its options: ${shown(options)}`);
  }
}

/** What is wrong with a value of the var; undefined when nothing is. */
function valueFault({ type, options }: JobVarConfig, value: unknown): string | undefined {
  const fault = typeFault(type, value);
  if (fault !== undefined || options === undefined || isOption(options, value)) return fault;
  const near = typeof value === 'string' ? didYouMean(value, options.map(String)) : '';
  return `must be one of ${shown(options)}${near}`;
}

function typeFault(type: JobVarType, value: unknown): string | undefined {
  const kind = Array.isArray(value) ? 'list' : isMap(value) ? 'map' : typeof value;
  if (kind !== type) return `must be ${WORDS[type]}, not ${kindOf(value)}`;
  return isJson(value) ? undefined : 'holds a number that is too large';
}

/** A text of JSON can hold numbers that no value of JSON can be, such as `1e999`. */
function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isJson);
}

function isOption(options: readonly JsonValue[], value: unknown): boolean {
  return options.some((option) => isDeepStrictEqual(option, value));
}

function shown(options: readonly JsonValue[]): string {
  return options.map((option) => (typeof option === 'string' ? option : JSON.stringify(option))).join(', ');
}

function unknownVar(name: string, known: readonly string[]): string {
  if (known.length === 0) return 'the job has no vars';
  return `the job has no such var; it has ${known.join(', ')}${didYouMean(name, known)}`;
}

const TOO_LARGE = `more than ${MAX_BYTES / 1024} KiB; put large values into a file or a resource`;

function isTooLarge(values: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(values)) > MAX_BYTES;
}
