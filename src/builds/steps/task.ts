import { parseDurationMs, type BuildEvent, type PlanNode, type TaskPlan } from '../../model/index.js';
import { taskCacheIds, type WantedCache } from '../../persistence/index.js';
import type { ArtifactRef, Capabilities, Mount, StepImage, StepSpec } from '../../runtime/index.js';
import type { Walk } from '../build-run.js';
import { stepHandle, taskCacheKey } from '../handle.js';
import { beginOnce, interrupted, runLeaf, withDeadline, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';
import type { StepSecrets } from '../recall-secrets.js';
import { findPlace, takeSlot } from '../places.js';
import { runProcess, type ProcessEnd } from '../run-process.js';
import { artifactNamed } from '../artifact-path.js';
import { limitsOf, readyTask, type ReadyTask } from '../task-config.js';
import { isImageFetched, taskCommand, taskImage } from '../task-image.js';

interface TaskResult extends StepSecrets {
  readonly artifacts: Readonly<Record<string, ArtifactRef>>;
}

/** Runs a process on artifacts. Its outputs become artifacts whatever the exit status. */
export function taskStep(node: PlanNode, plan: TaskPlan, walk: Walk): Promise<Outcome> {
  return runLeaf<TaskResult>(node, walk, {
    run: () => runTask(node, plan, walk),
    apply: ({ artifacts }) => Object.entries(artifacts).forEach(([name, ref]) => walk.scope.setArtifact(name, ref)),
  });
}

async function runTask(node: PlanNode, plan: TaskPlan, walk: Walk): Promise<LeafEnd<TaskResult>> {
  const { run } = walk;
  const task = await readyTask(plan, walk);
  const place = await findPlace(node, { tags: plan.tags, hasImage: wantsImage(plan, task) }, walk);
  if (!place) return interruptedWhileWaiting(node, walk);
  const { images, needsImage, platforms } = place.capabilities;
  demandPlatform(task, platforms);
  const isImageUsed = images && (wantsImage(plan, task) || needsImage === true);
  const image = isImageUsed ? await taskImage(node, plan, task, walk) : undefined;
  if (image && 'outcome' in image) return withoutImage(node, image.outcome, walk);
  const notices = noticesOf(plan, task, place.capabilities);
  const caches = wantedCaches(task);
  const plain = specOf(node, plan, task, walk);
  const prepared = {
    ...plain,
    ...image,
    argv: await taskCommand(plan, task, image?.image, walk),
    labels: { ...plain.labels, ...imageLabel(image?.image) },
    runtime: place.runtime,
  };
  if (!(await takeSlot(node, place, walk))) return interruptedWhileWaiting(node, walk);
  const spec = { ...prepared, mounts: [...plain.mounts, ...(await takeCaches(node, plan, caches, walk))] };
  const { step } = await beginOnce(
    node,
    walk,
    { handle: spec.handle, timeout: plan.timeout ?? run.parts.settings.defaultTaskTimeout },
    () => [
      // A task whose image was fetched was initialized by that.
      ...(image && isImageFetched(plan, task)
        ? []
        : [{ event: 'initialize-task' as const, data: { ...run.at(node.id), config: task.shown } }]),
      { event: 'selected-worker', data: { ...run.at(node.id), selected_worker: place.runtime } },
      ...notices.map((text) => run.logEvent(node.id, text)),
      { event: 'start-task', data: { ...run.at(node.id), config: task.shown } },
    ],
  );
  return withDeadline(step, walk, async (deadline) => {
    const end = await runProcess(node, step, spec, walk, deadline);
    const secrets = task.vars.length > 0 ? { vars: task.vars } : {};
    const result = { artifacts: await sealOutputs(spec, plan, end, walk), ...secrets };
    await run.parts.runtime.returnCaches(spec.handle);
    if (end.isInterrupted) {
      return { ...interrupted(node, walk, deadline, end.lastEvents), result };
    }
    return { ...endOf(node, end, walk), result };
  });
}

/** An image that a step names is not removed. */
function imageLabel(image: StepImage | undefined): Record<string, string> {
  return image !== undefined && 'artifact' in image ? { image: image.artifact.id } : {};
}

function interruptedWhileWaiting(node: PlanNode, walk: Walk): LeafEnd<never> {
  return { outcome: 'aborted', events: [walk.run.errorEvent(node.id, 'interrupted')] };
}

function endOf(node: PlanNode, { state, lastEvents }: ProcessEnd, walk: Walk): LeafEnd<TaskResult> {
  const { run } = walk;
  if (state.phase !== 'exited' || !state.exit) {
    const reason = state.reason ?? `its process is ${state.phase}`;
    return { outcome: 'errored', events: [...lastEvents, run.errorEvent(node.id, `the task was lost: ${reason}`)] };
  }
  const { code } = state.exit;
  const events: BuildEvent[] = [...lastEvents];
  // The runtime gives a reason only for an end that was not the task's own doing: a full disk, a missing executable.
  if (state.reason !== undefined) {
    return { outcome: 'errored', events: [...events, run.errorEvent(node.id, state.reason)] };
  }
  events.push({ event: 'finish-task', data: { ...run.at(node.id), exit_status: code } });
  return { outcome: code === 0 ? 'succeeded' : 'failed', events };
}

async function sealOutputs(
  { handle, mounts }: StepSpec,
  plan: TaskPlan,
  end: ProcessEnd,
  walk: Walk,
): Promise<Record<string, ArtifactRef>> {
  const sealed: Record<string, ArtifactRef> = {};
  if (end.state.phase !== 'exited') return sealed;
  for (const { source } of mounts) {
    if (!('output' in source)) continue;
    const name = plan.outputMapping?.[source.output] ?? source.output;
    sealed[name] = await walk.run.parts.runtime.sealOutput(handle, source.output);
  }
  return sealed;
}

/** @throws when one would end after less than a second */
function wantedCaches({ config }: ReadyTask): WantedCache[] {
  return (config.caches ?? []).map(({ path, ttl }) => {
    if (ttl === undefined) return { path };
    const ms = parseDurationMs(ttl);
    if (ms === undefined || ms < 1000)
      throw new Error(`cache '${path}': invalid ttl '${ttl}': it must be at least 1s, written like 90s, 10m or 1h30m`);
    return { path, ttlMs: Math.min(Math.round(ms), Number.MAX_SAFE_INTEGER) };
  });
}

/** The caches of a job's task, which the job's next task of that name finds again. One-off builds have none. */
async function takeCaches(
  node: PlanNode,
  plan: TaskPlan,
  caches: readonly WantedCache[],
  { run }: Walk,
): Promise<Mount[]> {
  const { id: buildId, jobId } = run.build;
  if (jobId === undefined || caches.length === 0) return [];
  const user = { buildId, stepId: node.id };
  const ids = await run.parts.db.tx((tx) => taskCacheIds(tx, user, { jobId, stepName: plan.name }, caches));
  return [...ids].map(([path, id]) => ({ path, source: { cache: taskCacheKey(id) } }));
}

function specOf(node: PlanNode, plan: TaskPlan, { config, env, argv }: ReadyTask, walk: Walk): StepSpec {
  const { build, parts } = walk.run;
  const mounts: Mount[] = [];
  for (const input of config.inputs ?? []) {
    const name = plan.inputMapping?.[input.name] ?? input.name;
    const path = input.path ?? input.name;
    if (input.optional && !walk.scope.artifact(name)) continue;
    mounts.push({
      path,
      source: { artifact: artifactNamed(name, walk, `task '${plan.name}', input '${input.name}'`) },
    });
  }
  for (const output of config.outputs ?? []) {
    mounts.push({ path: output.path ?? output.name, source: { output: output.name } });
  }
  return {
    handle: stepHandle(build.id, node.id),
    labels: { instance: parts.settings.instanceId, build: String(build.id), step: node.id },
    argv,
    env,
    ...(config.run?.dir === undefined ? {} : { dir: config.run.dir }),
    ...(config.run?.user === undefined ? {} : { user: config.run.user }),
    mounts,
    stdoutTo: 'log',
    ...(plan.privileged ? { privileged: true } : {}),
    ...(plan.hermetic ? { network: 'none' } : {}),
    ...(config.container_limits === undefined ? {} : { limits: limitsOf(config.container_limits) }),
  };
}

function demandPlatform({ config }: ReadyTask, platforms: readonly string[]): void {
  if (config.platform !== undefined && !platforms.includes(config.platform)) {
    throw new Error(`no runtime for platform '${config.platform}'; this server runs: ${platforms.join(', ')}`);
  }
}

function withoutImage(node: PlanNode, outcome: 'aborted' | 'errored', walk: Walk): LeafEnd<never> {
  const reason = outcome === 'aborted' ? 'interrupted' : 'the image of the task cannot be fetched';
  return { outcome, events: [walk.run.errorEvent(node.id, reason)] };
}

function wantsImage(plan: TaskPlan, { config }: ReadyTask): boolean {
  return plan.image !== undefined || config.image_resource !== undefined || config.rootfs_uri !== undefined;
}

/** What the runtime cannot give, in one line each. */
function noticesOf(plan: TaskPlan, task: ReadyTask, { images, lacks = [] }: Capabilities): string[] {
  const { config } = task;
  const notices: string[] = [];
  if (wantsImage(plan, task) && !images)
    notices.push('warning: the image is ignored: this server runs tasks as processes of its own machine');
  if (plan.hermetic && lacks.includes('network-none'))
    notices.push('warning: hermetic is ignored: tasks share the network of the machine');
  if (config.container_limits !== undefined && lacks.includes('limits')) {
    notices.push('warning: container_limits are ignored: nothing limits a process of this machine');
  }
  if (plan.privileged && lacks.includes('privileged'))
    notices.push('warning: privileged is ignored: tasks run as the user who runs Weir');
  return notices;
}
