import type { PlanNode } from '../../model/index.js';
import type { Walk } from '../build-run.js';
import { runLeaf } from '../leaf.js';
import type { Outcome } from '../outcome.js';

/** Says that prototypes do nothing, and succeeds: what Concourse does. */
export function runStep(node: PlanNode, walk: Walk): Promise<Outcome> {
  const { run } = walk;
  return runLeaf<never>(node, walk, {
    run: async () => ({
      outcome: 'succeeded',
      events: [
        { event: 'initialize', data: run.at(node.id) },
        { event: 'start', data: run.at(node.id) },
        run.logEvent(node.id, 'run: prototypes are not implemented; nothing was done'),
        { event: 'finish', data: { ...run.at(node.id), succeeded: true } },
      ],
    }),
  });
}
