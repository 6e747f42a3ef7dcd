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
    events.map((event) => redacted(event, redactor)),
  );
}

/** What gives an event its shape is no free text, whatever a secret is called. */
function redacted(event: BuildEvent, redactor: Redactor): BuildEvent {
  const { origin, time, status } = event.data as { origin?: unknown; time?: unknown; status?: unknown };
  const shape = {
    ...(origin ? { origin } : {}),
    ...(time === undefined ? {} : { time }),
    ...(status ? { status } : {}),
  };
  return { event: event.event, data: { ...redactor.redact(event.data), ...shape } } as BuildEvent;
}
