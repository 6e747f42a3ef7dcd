import type { BuildId } from './ids.js';

/** A step of a build, as the key of its slot. */
export interface SlotKey {
  readonly buildId: BuildId;
  readonly stepId: string;
}

/** Why a step of a build has no slot yet. */
export type SlotWait = SlotKey &
  (
    | { readonly kind: 'no-runtime'; readonly reason: string }
    | { readonly kind: 'unreachable'; readonly runtime: string; readonly reason: string }
    | {
        readonly kind: 'queue';
        readonly runtime: string;
        /** From 1. */
        readonly position: number;
        readonly waiting: number;
        readonly slots: number;
        /** Who has the slots, each build once. */
        readonly takenBy: readonly string[];
      }
  );

/** For people: `waits for a slot on docker: position 3 of 7; its 4 slots are taken by p/j #1 and p/j #2`. */
export function slotWaitText(wait: SlotWait): string {
  switch (wait.kind) {
    case 'no-runtime':
      return wait.reason;
    case 'unreachable':
      return `waits for runtime ${wait.runtime}, which does not answer: ${wait.reason}`;
    case 'queue': {
      const { runtime, position, waiting, slots, takenBy } = wait;
      const shown = takenBy.length > 5 ? [...takenBy.slice(0, 5), `${takenBy.length - 5} more`] : takenBy;
      const by = shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}` : (shown[0] ?? 'nobody');
      const taken = slots === 1 ? 'its only slot is taken by' : `its ${slots} slots are taken by`;
      return `waits for a slot on ${runtime}: position ${position} of ${waiting}; ${taken} ${by}`;
    }
  }
}
