import type { BuildEvent, BuildId } from '../model/index.js';
import { appendEvents, type Tx } from '../persistence/index.js';
import type { Redactor } from './redactor.js';

/** Appends events of a build, in order and without a gap; no secret that the redactor knows is stored. */
export async function writeEvents(
  tx: Tx,
  buildId: BuildId,
  events: readonly BuildEvent[],
  redactor: Redactor,
): Promise<void> {
  await appendEvents(
    tx,
    buildId,
    events.map((event) => redactor.redact(event)),
  );
}
