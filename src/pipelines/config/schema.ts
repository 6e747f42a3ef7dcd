import type { PipelineConfig, Version } from '../../model/index.js';
import { conditionFault } from './condition.js';
import type { Path } from './finding.js';
import { jobVars } from './job-vars.js';
import * as mean from './meanings.js';
import { anyOf, REF_STEP, requiring, type JsonSchema } from './json-schema.js';
import { HOOKS } from './steps.js';
import {
  anything,
  described,
  extension,
  fields,
  flag,
  integer,
  isMap,
  kindOf,
  list,
  looseText,
  mapOf,
  oneOf,
  opaqueMap,
  text,
  type Findings,
  type Shape,
} from './shape.js';
import { duration, interval, limits, taskConfig, version } from './task-schema.js';
import { VAR_SOURCE_LAWS } from './var-source-schema.js';

/** Field by field what a pipeline may hold; laws that span fields are in rules.ts. */

const looseVersion = mapOf(looseText) as Shape<Version>;

const everyOrLatest = oneOf('latest', 'every');
const getVersion = described(anyOf(everyOrLatest.json, version.json), (value, at, found) =>
  isMap(value) ? version(value, at, found) : everyOrLatest(value, at, found),
);

const REF_PASSED: JsonSchema = { $ref: '#/definitions/passed' };
const passedTerm: Shape = described(anyOf(text.json, REF_PASSED), (value, at, found) =>
  isMap(value) ? passedMap(value, at, found) : text(value, at, found),
);
const passedTerms = { all: list(passedTerm), any: list(passedTerm) };
const passedMap = extension(
  'All or any of several jobs.',
  described(fields(passedTerms, { meanings: mean.PASSED }).json ?? {}, (value, at, found) => {
    const keys = Object.keys(value as object).filter((key) => key === 'all' || key === 'any');
    if (keys.length !== 1) found.problem(at, "must have one of 'all' and 'any'");
    return fields(passedTerms)(value, at, found);
  }),
);
const passed = described(anyOf(list(passedTerm).json, REF_PASSED), (value, at, found) =>
  isMap(value) ? passedMap(value, at, found) : list(passedTerm)(value, at, found),
);

const maxInFlight = described<string | number>(
  anyOf({ type: 'integer', minimum: 1 }, { enum: ['all'] }),
  (value, at, found) => {
    if (value === 'all') return value;
    const read = integer(value, at, found);
    if (read !== undefined && read <= 0) found.problem(at, 'must be greater than 0');
    return read;
  },
);

const acrossVar = fields(
  { var: text, values: anything, max_in_flight: maxInFlight },
  { required: { var: 'has no var', values: 'has no values' }, meanings: mean.ACROSS },
);

const attempts = described<number>({ type: 'integer', minimum: 1 }, (value, at, found) => {
  const read = integer(value, at, found);
  if (read !== undefined && read <= 0) found.problem(at, 'must be greater than 0');
  return read;
});

/** A step, which may hold others. */
const anyStep = described(REF_STEP, (value, at, found) => step(value, at, found));
const hooks: Readonly<Record<string, Shape>> = Object.fromEntries(HOOKS.map((name) => [name, anyStep]));
const steps = list(anyStep);

const parallelMap = fields({ steps, limit: integer, fail_fast: flag }, { unknown: 'warn', meanings: mean.IN_PARALLEL });
const inParallel = described(anyOf(steps.json, parallelMap.json), (value, at, found) =>
  Array.isArray(value) ? steps(value, at, found) : parallelMap(value, at, found),
);

const tags = list(text);
const detectOrAll = oneOf('detect', 'all');
const inputs = described(anyOf(detectOrAll.json, tags.json), (value, at, found) =>
  Array.isArray(value) ? tags(value, at, found) : detectOrAll(value, at, found),
);

const when = extension(
  'Run only if this condition over vars, versions and results is true, else skip.',
  described<string>({ type: ['string', 'boolean'] }, (value, at, found) => {
    const read = looseText(value, at, found);
    const fault = read === undefined ? undefined : conditionFault(read);
    if (fault === undefined) return read;
    found.problem(at, fault);
    return undefined;
  }),
);

/** The keys of each kind of step, the one that names it first; the first of them that a step has decides. */
const CORES: readonly (readonly [string, Readonly<Record<string, Shape>>])[] = [
  ['run', { run: text, type: text, params: opaqueMap, privileged: flag, container_limits: limits, tags }],
  [
    'task',
    {
      task: text,
      file: text,
      config: taskConfig,
      image: text,
      privileged: flag,
      hermetic: flag,
      vars: opaqueMap,
      params: opaqueMap,
      input_mapping: mapOf(text),
      output_mapping: mapOf(text),
      container_limits: limits,
      tags,
    },
  ],
  ['put', { put: text, resource: text, params: opaqueMap, inputs, get_params: opaqueMap, no_get: flag, tags }],
  ['get', { get: text, resource: text, passed, trigger: flag, version: getVersion, params: opaqueMap, tags }],
  [
    'set_pipeline',
    { set_pipeline: text, file: text, vars: opaqueMap, var_files: list(text), instance_vars: opaqueMap, team: text },
  ],
  ['load_var', { load_var: text, file: text, format: oneOf('raw', 'trim', 'json', 'yml', 'yaml'), reveal: flag }],
  ['try', { try: anyStep }],
  ['do', { do: steps, tags }],
  ['in_parallel', { in_parallel: inParallel, tags }],
];

/** Names of all kinds of steps. */
export const STEP_KINDS: readonly string[] = CORES.map(([name]) => name);

const MODIFIERS: Readonly<Record<string, Shape>> = { timeout: duration, attempts, when, ...hooks };
const ACROSS: Readonly<Record<string, Shape>> = { across: list(acrossVar), fail_fast: flag };

/** Gives an empty map for what is no step, so that its neighbours keep their indexes. */
function step(value: unknown, at: Path, found: Findings): object {
  if (!isMap(value)) {
    found.problem(at, `must be a step, not ${kindOf(value)}`);
    return {};
  }
  const core = CORES.find(([name]) => Object.hasOwn(value, name));
  const modifiers = Object.hasOwn(value, 'across') ? { ...MODIFIERS, ...ACROSS } : MODIFIERS;
  if (core === undefined) return coreless(value, at, found, modifiers);
  const [name, own] = core;
  const extra = STEP_KINDS.filter((kind) => kind !== name && Object.hasOwn(value, kind));
  for (const kind of extra) {
    const hint = `'${name}' and '${kind}' are two steps: give each an item of the list`;
    found.problem([...at, kind], `unknown field '${kind}'`, { hint, onKey: true });
  }
  const kept = Object.fromEntries(Object.entries(value).filter(([key]) => !extra.includes(key)));
  return coreShape(name, { ...own, ...modifiers })(kept, at, found) ?? {};
}

function coreShape(name: string, shapes: Readonly<Record<string, Shape>>): Shape<object> {
  const required = name === 'do' || name === 'in_parallel' || name === 'try' ? 'is empty' : EMPTY_NAME;
  return fields(shapes, { required: { [name]: required }, meanings: { ...mean.MODIFIERS, ...mean.STEPS[name] } });
}

const EMPTY_NAME = 'identifier cannot be an empty string';

function coreless(
  value: Record<string, unknown>,
  at: Path,
  found: Findings,
  modifiers: Readonly<Record<string, Shape>>,
): object {
  const isEmpty = Object.keys(value).length === 0;
  found.problem(at, isEmpty ? 'no step configured' : 'no core step type declared', {
    hint: `a step has one of ${STEP_KINDS.join(', ')}`,
  });
  // Every kind is offered to near-name hints, so that `taks: x` is told apart from a stray key.
  const all = Object.fromEntries(STEP_KINDS.map((name) => [name, anything] as const));
  fields({ ...all, ...modifiers })(value, at, found);
  return {};
}

const NAMED = { name: 'has no name' };
const TYPED = { name: 'has no name', type: 'has no type' };

const resourceType = fields(
  {
    name: looseText,
    type: looseText,
    source: opaqueMap,
    params: opaqueMap,
    defaults: opaqueMap,
    privileged: flag,
    check_every: interval,
    tags: list(looseText),
  },
  { required: TYPED, meanings: mean.RESOURCE_TYPE },
);

const varSource = fields(
  { name: looseText, type: looseText, config: opaqueMap },
  { required: TYPED, meanings: mean.VAR_SOURCE },
);

const SECTIONS: Readonly<Record<string, Shape>> = {
  groups: list(
    fields(
      { name: looseText, jobs: list(looseText), resources: list(looseText) },
      { required: NAMED, meanings: mean.GROUP },
    ),
  ),
  var_sources: list(described({ ...varSource.json, allOf: VAR_SOURCE_LAWS }, varSource)),
  resources: list(
    fields(
      {
        name: looseText,
        old_name: looseText,
        type: looseText,
        source: opaqueMap,
        icon: looseText,
        version: looseVersion,
        check_every: interval,
        check_timeout: duration,
        tags: list(looseText),
        public: flag,
        webhook_token: looseText,
        expose_build_created_by: flag,
      },
      { required: TYPED, meanings: mean.RESOURCE },
    ),
  ),
  resource_types: list(resourceType),
  prototypes: list(resourceType),
  jobs: list(
    fields(
      {
        name: looseText,
        old_name: looseText,
        plan: steps,
        serial: flag,
        serial_groups: list(looseText),
        max_in_flight: integer,
        interruptible: flag,
        public: flag,
        disable_manual_trigger: flag,
        disable_reruns: flag,
        tags: list(looseText),
        build_log_retention: fields(
          { days: integer, builds: integer, minimum_succeeded_builds: integer },
          { meanings: mean.RETENTION },
        ),
        build_logs_to_retain: integer,
        when,
        vars: jobVars,
        ...hooks,
      },
      { required: NAMED, meanings: mean.JOB },
    ),
  ),
  display: fields({ background_image: looseText, background_filter: looseText }, { meanings: mean.DISPLAY }),
  user_data: anything,
};

/** What schema references point to: a step is one of its kinds, and `passed` terms nest. */
const definitions: Readonly<Record<string, JsonSchema>> = {
  step: anyOf(
    ...CORES.map(([name, own]) =>
      requiring({ fail_fast: ['across'] }, coreShape(name, { ...own, ...MODIFIERS, ...ACROSS }).json ?? {}),
    ),
  ),
  passed: passedMap.json ?? {},
};

const sections = fields(SECTIONS, { meanings: mean.PIPELINE });

/**
 * A pipeline. Other top-level keys are dropped: they are where authors keep their anchors. Only one that is nearly a
 * known key is worth a warning.
 */
export const pipelineConfig = described<PipelineConfig>(
  { ...sections.json, additionalProperties: true, required: ['jobs'], definitions },
  (value, at, found) => {
    if (!isMap(value)) {
      found.problem(at, `a pipeline must be a map, not ${kindOf(value)}`);
      return undefined;
    }
    const known = Object.entries(value).filter(([key]) => Object.hasOwn(SECTIONS, key));
    const absent = Object.keys(SECTIONS).filter((key) => !Object.hasOwn(value, key));
    for (const key of Object.keys(value).filter((other) => !Object.hasOwn(SECTIONS, other))) {
      const more = nearSection(key, absent);
      if (more !== undefined)
        found.warn('unknown_field', [...at, key], `unknown field '${key}' is ignored`, { onKey: true, hint: more });
    }
    return sections(Object.fromEntries(known), at, found) as PipelineConfig;
  },
);

function nearSection(key: string, absent: readonly string[]): string | undefined {
  const near = absent.find((name) => name.replace(/s$/, '') === key.toLowerCase().replace(/s$/, ''));
  return near === undefined ? undefined : `did you mean '${near}'?`;
}
