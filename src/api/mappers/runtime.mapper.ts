import type { TeamId } from '../../model/index.js';
import type { RuntimeLoad, SlotUse } from '../../persistence/index.js';
import { seconds } from './fields.js';

/**
 * A runtime as clients of Concourse know a worker. It has no address, as nothing but the server speaks to it; one that does
 * not answer is `stalled`.
 */
export function toWorkerView(
  runtime: RuntimeLoad,
  others: readonly RuntimeLoad[],
  resourceTypes: readonly string[],
): Record<string, unknown> {
  const { running, slots, tags, startedAt } = runtime;
  return {
    name: workerName(runtime, others),
    addr: '',
    baggageclaim_url: '',
    active_containers: running.length,
    active_volumes: 0,
    active_tasks: running.length,
    max_active_tasks: slots,
    resource_types: resourceTypes.map((type) => ({
      type,
      image: '',
      version: '',
      privileged: false,
      unique_version_history: false,
    })),
    platform: platformsOf(runtime)[0] ?? '',
    tags: tags.length > 0 ? tags : null,
    team: '',
    version: '',
    start_time: seconds(startedAt),
    ephemeral: false,
    state: stateOf(runtime),
  };
}

/** All that is known of a runtime: where it stands, what it can, what runs there and who waits. */
export function toRuntimeView(
  runtime: RuntimeLoad,
  others: readonly RuntimeLoad[],
  isVisible: (teamId: TeamId) => boolean,
): Record<string, unknown> {
  const { name, kind, instance, tags, slots, capabilities, unreachable, running, queue } = runtime;
  return {
    name: workerName(runtime, others),
    kind,
    server: instance,
    // A step can always ask for a runtime by its name.
    tags: [name, ...tags],
    takes_untagged_steps: tags.length === 0,
    state: unreachable ? 'unreachable' : stateOf(runtime),
    ...(unreachable ? { reason: unreachable.reason, unreachable_since: seconds(unreachable.since) } : {}),
    started_at: seconds(runtime.startedAt),
    capabilities,
    slots,
    free_slots: Math.max(0, slots - running.length),
    running: running.map((use) => useView(use, isVisible)),
    queue: queue.map((use, at) => ({ position: at + 1, ...useView(use, isVisible) })),
  };
}

/** What other teams build is counted, not told. */
function useView({ build, buildId, stepId, teamId, since }: SlotUse, isVisible: (teamId: TeamId) => boolean): object {
  if (!isVisible(teamId)) return { since: seconds(since) };
  return { build, build_id: buildId, step_id: stepId, since: seconds(since) };
}

function stateOf({ unreachable, isServerAlive, isLanding, running }: RuntimeLoad): string {
  if (unreachable || !isServerAlive) return 'stalled';
  if (isLanding) return running.length > 0 ? 'landing' : 'landed';
  return 'running';
}

/** Servers may each have one of the same name. */
export function workerName({ id, name, instance }: RuntimeLoad, others: readonly RuntimeLoad[]): string {
  const isAlone = others.every((other) => other.id === id || other.name !== name);
  return isAlone ? name : `${name}-${instance.slice(0, 8)}`;
}

function platformsOf({ capabilities }: RuntimeLoad): readonly string[] {
  return (capabilities['platforms'] as readonly string[] | undefined) ?? [];
}
