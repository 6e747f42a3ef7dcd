import { parseDurationMs, parseMemoryBytes, type TaskConfig, type Version } from '../../model/index.js';
import type { JsonSchema } from './json-schema.js';
import * as mean from './meanings.js';
import { described, fields, flag, integer, list, looseText, mapOf, opaqueMap, text, type Shape } from './shape.js';

/** Field by field what a task may hold, and the kinds of values that steps share with it. */

const AMOUNTS = '[+-]?((\\d+(\\.\\d*)?|\\.\\d+)(ns|us|µs|ms|s|m|h))+';
const durationText = (more: string): JsonSchema => ({
  type: ['string', 'integer'],
  pattern: `^(${more}0|${AMOUNTS}|[\\s\\S]*\\(\\([\\s\\S]*)$`,
  minimum: 0,
  maximum: 0, // the only number that is a duration
  examples: ['90s', '10m', '1h30m'],
});

/** As Go writes it: `1h30m`. */
export const duration = described<string>(durationText(''), (value, at, found) => {
  const read = looseText(value, at, found);
  // Inside `across` a var may still stand here; it is judged when the step runs.
  if (read === undefined || read.includes('((') || parseDurationMs(read) !== undefined) return read;
  found.problem(at, `invalid duration '${read}'`, { hint: 'write it like 90s, 10m or 1h30m' });
  return undefined;
});

/** A duration, or `never`. */
export const interval = described<string>(durationText('never|'), (value, at, found) =>
  value === 'never' ? value : duration(value, at, found),
);

const cacheTtl = described<string>(duration.json ?? {}, (value, at, found) => {
  const read = duration(value, at, found);
  const ms = parseDurationMs(read ?? '');
  if (ms !== undefined && ms < 1000) found.problem(at, 'must be at least 1s');
  return read;
});

const memory = described<string | number>({ type: ['integer', 'string'], examples: ['512MB'] }, (value, at, found) => {
  if (typeof value === 'number') return integer(value, at, found);
  const read = text(value, at, found);
  if (read === undefined || read.includes('((') || parseMemoryBytes(read) !== undefined) return read;
  found.problem(at, `invalid memory size '${read}'`, { hint: 'write it like 512MB or 1GB' });
  return undefined;
});

const cpu = described<string | number>({ type: ['integer', 'string'] }, (value, at, found) =>
  typeof value === 'string' && value.includes('((') ? value : integer(value, at, found),
);

/** Of the memory and processors of a step. */
export const limits = fields({ cpu, memory }, { unknown: 'warn', meanings: mean.LIMITS });

/** Versions inside steps and tasks must be quoted: `1.10` as a number would be another version. */
export const version = mapOf(
  described({ type: 'string' }, (value, at, found) => {
    if (typeof value === 'string') return value;
    found.problem(at, `the value ${JSON.stringify(value)} of ${at.at(-1)} is not a string`, {
      hint: 'put it in quotes',
    });
    return undefined;
  }),
) as Shape<Version>;

const imageResource = fields(
  { name: text, type: text, source: opaqueMap, params: opaqueMap, version, tags: list(text) },
  { unknown: 'warn', required: { type: 'has no type' }, meanings: mean.IMAGE_RESOURCE },
);

const taskShape = (word: Shape<string>): Shape<TaskConfig> =>
  fields(
    {
      platform: word,
      image_resource: imageResource,
      rootfs_uri: word,
      inputs: list(fields({ name: word, path: word, optional: flag }, { unknown: 'warn', meanings: mean.TASK_INPUT })),
      outputs: list(fields({ name: word, path: word }, { unknown: 'warn', meanings: mean.TASK_OUTPUT })),
      caches: list(
        fields(
          { path: word, ttl: cacheTtl },
          { unknown: 'warn', required: { path: 'has no path' }, meanings: mean.TASK_CACHE },
        ),
      ),
      params: opaqueMap,
      run: fields(
        { path: word, args: list(word), dir: word, user: word },
        { unknown: 'warn', meanings: mean.TASK_RUN },
      ),
      container_limits: limits,
    },
    { required: { platform: "missing 'platform'" }, meanings: mean.TASK },
  );

/** A task's inline `config`. */
export const taskConfig = taskShape(text);

/** A task file: as a file of its own it is read like what stands outside of steps, where numbers become text. */
export const taskFile = taskShape(looseText);
