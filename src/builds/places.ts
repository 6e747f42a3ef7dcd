import type { BuildEvent, PlanNode } from '../model/index.js';
import { slotWaitText } from '../model/index.js';
import { askForSlot, freeSlot, runtimeOfSlot, slotWaits } from '../persistence/index.js';
import type { Capabilities } from '../runtime/index.js';
import type { Walk } from './build-run.js';

/** The runtime of a step, which has a slot there or will ask for one. */
export interface Place {
  readonly runtime: string;
  readonly capabilities: Capabilities;
}

/**
 * Finds the runtime for a step: the one where it began before a restart, else the first that fits. Waits while none has the
 * step's tags: the operator may start the server with others.
 * @returns undefined when the step was interrupted while it waited.
 * @throws when it began on a runtime that this server has no longer.
 */
export async function findPlace(
  node: PlanNode,
  need: { readonly tags: readonly string[] | undefined; readonly hasImage: boolean },
  walk: Walk,
): Promise<Place | undefined> {
  const { runtime: pool, db } = walk.run.parts;
  const key = { buildId: walk.run.build.id, stepId: node.id };
  const begun = await runtimeOfSlot(db, key);
  if (begun !== undefined) return { runtime: begun, capabilities: await pool.capabilitiesOf(begun) };
  const chosen = await pool.choose({ tags: need.tags ?? [], hasImage: need.hasImage });
  if (!chosen.member) {
    if (walk.run.journal.step(node.id)) throw new Error(chosen.reason); // it has begun, nobody knows where
    await waitForSlot(node, { noRuntimeBecause: chosen.reason }, walk);
    return undefined;
  }
  return { runtime: chosen.member.name, capabilities: await pool.capabilitiesOf(chosen.member.name) };
}

/**
 * Waits for a slot of the place, which the step then has until it ends: see `endStep` and `finishBuild`. Nothing but a row
 * and a timer waits.
 * @returns false when the step was interrupted while it waited.
 */
export async function takeSlot(node: PlanNode, place: Place, walk: Walk): Promise<boolean> {
  const ids = await walk.run.parts.places.ids();
  const runtime = ids.get(place.runtime);
  if (runtime === undefined) throw new Error(`runtime ${place.runtime} is not one of this server`);
  return waitForSlot(node, { runtime }, walk);
}

async function waitForSlot(
  node: PlanNode,
  wanted: Parameters<typeof askForSlot>[2],
  { run, signal }: Walk,
): Promise<boolean> {
  const key = { buildId: run.build.id, stepId: node.id };
  const ended = AbortSignal.any([signal, run.letGoSignal]);
  const watch = run.parts.places.watch(run.build.id);
  try {
    for (;;) {
      const asked = await run.journal.fenced((tx) => askForSlot(tx, key, wanted));
      // A step that runs does not wait again.
      if (asked.hasSlot || run.journal.step(node.id)) return true;
      if (asked.isNew) await run.journal.log(node.id, await waitingEvents(node, run));
      await watch.change(ended);
      run.throwIfLetGo();
      if (!signal.aborted) continue;
      await run.journal.fenced((tx) => freeSlot(tx, key));
      return false;
    }
  } finally {
    watch.stop();
  }
}

async function waitingEvents(node: PlanNode, run: Walk['run']): Promise<BuildEvent[]> {
  const waits = await slotWaits(run.parts.db, run.build.id);
  const mine = waits.find(({ stepId }) => stepId === node.id);
  return [
    { event: 'waiting-for-worker', data: run.at(node.id) },
    ...(mine ? [run.logEvent(node.id, slotWaitText(mine))] : []),
  ];
}
