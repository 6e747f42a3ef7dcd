import type { JsonValue } from '../model/index.js';
import { textsIn } from '../events/index.js';
import { interpolate, varsIn, type VarLookup } from '../pipelines/index.js';
import type { Walk } from './build-run.js';
import type { CredentialSource } from './ports.js';

/**
 * Fills every `((var))` of `value`, as late as possible: `((.:x))` from the local vars of the scope, others from the
 * credentials, whose values are hidden in events from then on.
 * @throws InterpolationError naming the vars that are undefined.
 */
export async function fillVars<Value>(value: Value, walk: Walk): Promise<Value> {
  const references = varsIn(value);
  if (references.length === 0) return value;
  const { credentials } = walk.run.parts;
  const local = localLookup(walk);
  const asked = references.filter((reference) => local(reference) === undefined);
  const known: ReadonlyMap<string, JsonValue> =
    credentials && asked.length > 0 ? await credentials.fetch(walk.run.build, asked, watcherOf(walk)) : new Map();
  walk.run.redactor.add([...known.values()].flatMap(textsIn));
  const lookup: VarLookup = (reference) => local(reference) ?? known.get(reference.text);
  return interpolate(value, lookup, { mode: 'run' }).value;
}

function watcherOf({ run, signal }: Walk): Parameters<CredentialSource['fetch']>[2] {
  return { signal: AbortSignal.any([signal, run.letGoSignal]), say: (text) => run.tell(text) };
}

/**
 * Fills local vars only and leaves the rest as it is, for {@link fillVars} to fill in later. That must not take the text of a
 * value for a var, so values that hold something like `((x))` are left to it as well.
 */
export function fillLocalVars<Value>(value: Value, walk: Walk): Value {
  const local = localLookup(walk);
  const lookup: VarLookup = (reference) => {
    const found = local(reference);
    return varsIn(found).length > 0 ? undefined : found;
  };
  return interpolate(value, lookup, { mode: 'template' }).value;
}

function localLookup(walk: Walk): VarLookup {
  return ({ source, path }) => (source === '.' ? walk.scope.localVar(path) : undefined);
}
