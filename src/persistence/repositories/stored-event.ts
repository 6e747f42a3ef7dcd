import type { BuildEvent } from '../../model/index.js';

/** An event with its number in the log of its build. */
export interface StoredEvent {
  readonly seq: number;
  readonly event: BuildEvent['event'];
  readonly data: BuildEvent['data'];
}
