import {
  GET_OUTPUT,
  needsImages,
  readFetchResult,
  scriptSpec,
  type CustomType,
  type Script,
} from '../custom-types/index.js';
import type { PlanNode } from '../model/index.js';
import type { JournaledStep } from '../persistence/index.js';
import { ResourceFailure, type FetchResult, type StepContext } from '../resources/index.js';
import type { ArtifactRef } from '../runtime/index.js';
import type { Walk } from './build-run.js';
import type { Deadline } from './deadline.js';
import { stepHandle } from './handle.js';
import { runInProcess, type WorkEnd } from './in-process.js';
import { findPlace, takeSlot, type Place } from './places.js';
import { runProcess } from './run-process.js';

/** Finds room for a step whose type is an image. @returns undefined when it was interrupted while it waited. */
export async function placeScript(
  node: PlanNode,
  { tags }: { readonly tags?: readonly string[] },
  walk: Walk,
): Promise<Place | undefined> {
  const place = await findPlace(node, { tags, hasImage: true }, walk);
  // Without images the type has a stand-in, which needs no room, or cannot run.
  if (!place?.capabilities.images) return place;
  return (await takeSlot(node, place, walk)) ? place : undefined;
}

/** What {@link runScriptStep} needs to know about the step. */
export interface ScriptStep {
  readonly node: PlanNode;
  readonly walk: Walk;
  readonly step: JournaledStep;
  readonly deadline: Deadline;
  readonly place: Place;
  readonly type: CustomType;
  readonly script: Script;
  /** Made when it is known in which circumstances the image is fetched. */
  readonly context: (running: {
    readonly signal: AbortSignal;
    readonly log: (text: string) => void;
  }) => Promise<StepContext>;
}

/** The answer of a script and, of a get, what it has fetched. */
export interface ScriptAnswer extends FetchResult {
  readonly artifact?: ArtifactRef;
}

/**
 * Runs a get or put of the pipeline's own type: as a task it goes on under its handle while servers come and go.
 * @throws when the image cannot be had, or the container is lost.
 */
export async function runScriptStep(run: ScriptStep): Promise<WorkEnd<ScriptAnswer>> {
  const { node, walk, step, deadline, place, type, script } = run;
  if (!place.capabilities.images) throw needsImages(type.givenName, place.capabilities);
  const { runtime, settings } = walk.run.parts;
  const handle = stepHandle(walk.run.build.id, node.id);
  runtime.remember(handle, place.runtime);
  const { phase } = await runtime.inspect(handle);
  const idle = { signal: deadline.signal, log: (): void => undefined };
  const { env } = await run.context(idle);
  const isToBegin = phase === 'absent' || phase === 'pending';
  const fetched = isToBegin ? await fetchImage(run) : undefined;
  if (fetched && fetched.kind !== 'done') return fetched;
  const image = fetched?.value;
  const labels = {
    instance: settings.instanceId,
    build: String(walk.run.build.id),
    step: node.id,
    ...(image ? { image: image.artifact.id } : {}),
  };
  const spec = { handle, labels, ...scriptSpec(script, env, image), runtime: place.runtime };
  const end = await runProcess(node, step, spec, walk, deadline);
  const { state, lastEvents } = end;
  if (end.isInterrupted) return { kind: 'interrupted', lastEvents };
  const fault = state.phase !== 'exited' || !state.exit ? (state.reason ?? `it is ${state.phase}`) : state.reason;
  if (fault !== undefined || !state.exit) {
    await walk.run.journal.log(node.id, lastEvents);
    throw new Error(`the container of type "${type.givenName}" did not end by itself: ${fault}`);
  }
  if (state.exit.code !== 0) return { kind: 'failed', exitStatus: state.exit.code, lastEvents };
  try {
    return { kind: 'done', value: await answerOf(run, handle), lastEvents };
  } catch (error) {
    await walk.run.journal.log(node.id, lastEvents);
    throw error;
  }
}

async function answerOf({ script, walk }: ScriptStep, handle: string): Promise<ScriptAnswer> {
  const { runtime } = walk.run.parts;
  const answer = readFetchResult(await runtime.result(handle), script.argv[0] ?? '');
  const isGet = script.mounts.some(({ source }) => 'output' in source && source.output === GET_OUTPUT);
  return isGet ? { ...answer, artifact: await runtime.sealOutput(handle, GET_OUTPUT) } : answer;
}

/** An image that cannot be had is an error, not a failure of the step. */
async function fetchImage(run: ScriptStep): Promise<WorkEnd<Awaited<ReturnType<CustomType['image']>>>> {
  const { node, walk, deadline, type } = run;
  const end = await runInProcess(node, walk, deadline, async (running) => {
    try {
      return await type.image(await run.context(running));
    } catch (error) {
      if (!(error instanceof ResourceFailure)) throw error;
      throw new Error(`the image of resource type "${type.givenName}" cannot be had: ${error.message}`, {
        cause: error,
      });
    }
  });
  if (end.kind === 'done') await walk.run.journal.log(node.id, end.lastEvents);
  return end;
}
