import { mkdir } from 'node:fs/promises';
import type { JsonObject, PlanNode, TypeChain } from '../model/index.js';
import { secretsIn } from '../events/index.js';
import { cacheDirOf, serverDoor, type ResourceType, type StepContext } from '../resources/index.js';
import { buildEnv } from './build-env.js';
import type { Walk } from './build-run.js';
import { fillVars } from './fill-vars.js';
import { stepHandle } from './handle.js';

/** A step's resource, ready to be used: vars filled, type found. */
export interface ReadyResource {
  readonly type: ResourceType;
  readonly source: JsonObject;
  readonly params: JsonObject;
}

/**
 * Fills the vars of source and params and finds the type. Credentials in them are hidden in events from here on.
 * @throws when a var is undefined or the type is not one that this server has.
 */
export async function readyResource(
  plan: {
    readonly type: string;
    readonly source: JsonObject;
    readonly params?: JsonObject;
    readonly resourceTypes?: TypeChain;
  },
  walk: Walk,
): Promise<ReadyResource> {
  const { source, params } = await fillVars({ source: plan.source, params: plan.params ?? {} }, walk);
  walk.run.redactor.add([...secretsIn(source), ...secretsIn(params)]);
  if (plan.resourceTypes?.length) {
    throw new Error(
      `not supported yet: resource type '${plan.type}' is an image of the pipeline's resource_types, which this runtime cannot run`,
    );
  }
  const type = walk.run.parts.resourceTypes.get(plan.type);
  return { type, source, params };
}

/** What a resource type gets to know and to use during a step. */
export async function stepContext(
  node: PlanNode,
  resource: ReadyResource,
  walk: Walk,
  running: { readonly signal: AbortSignal; readonly log: (text: string) => void },
  extraEnv: Readonly<Record<string, string>> = {},
): Promise<StepContext> {
  const { db, settings, clock } = walk.run.parts;
  const cacheDir = cacheDirOf(settings.dataDir, resource.type.name, resource.source);
  await mkdir(cacheDir, { recursive: true });
  const env = { ...buildEnv(walk), ...extraEnv };
  const server = serverDoor(db, settings, { teamName: walk.run.build.teamName });
  return { ...running, cacheDir, now: () => clock.now(), env, server, stepId: stepIdOf(node, walk) };
}

/** The moment the build was made tells it from the build of that number in another installation. */
function stepIdOf(node: PlanNode, { run: { build } }: Walk): string {
  return `${stepHandle(build.id, node.id)}-${build.createdAt.getTime().toString(36)}`;
}
