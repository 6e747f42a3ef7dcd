import { mkdir } from 'node:fs/promises';
import type { JsonObject, PlanNode, TypeChain } from '../model/index.js';
import type { CustomType } from '../custom-types/index.js';
import { secretsIn } from '../events/index.js';
import { cacheDirOf, serverDoor, type ResourceType, type StepContext } from '../resources/index.js';
import { buildEnv } from './build-env.js';
import type { Walk } from './build-run.js';
import { fillVars } from './fill-vars.js';
import { stepHandle } from './handle.js';

/** A step's resource, ready to be used: vars filled, type found. */
export interface ReadyResource {
  readonly type: ResourceType;
  /** The same, when it is an image of the pipeline's own: its gets and puts run in containers. */
  readonly custom?: CustomType;
  readonly source: JsonObject;
  readonly params: JsonObject;
}

/**
 * Fills the vars of source and params and finds the type. Credentials in them are hidden in events from here on.
 * @throws when a var is undefined, the type is not one that this server has, or it is an image that cannot be run.
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
  const written = { source: plan.source, params: plan.params ?? {}, chain: plan.resourceTypes ?? [] };
  const { source, params, chain } = await fillVars(written, walk);
  walk.run.redactor.add([
    ...secretsIn(source),
    ...secretsIn(params),
    ...chain.flatMap((type) => secretsIn(type.source)),
  ]);
  const { customTypes, resourceTypes } = walk.run.parts;
  if (chain.length === 0) return { type: resourceTypes.get(plan.type), source, params };
  const custom = customTypes.typeOf(chain);
  const isContainer = (await customTypes.standIn(custom)) === undefined;
  return { type: custom, source, params, ...(isContainer ? { custom } : {}) };
}

/** What a resource type gets to know and to use during a step. */
export async function stepContext(
  node: PlanNode,
  resource: ReadyResource,
  walk: Walk,
  running: { readonly signal: AbortSignal; readonly log: (text: string) => void },
  extraEnv: Readonly<Record<string, string>> = {},
): Promise<StepContext> {
  const { db, settings, clock, customTypes } = walk.run.parts;
  const cacheDir = cacheDirOf(settings.dataDir, resource.type.name, resource.source);
  await mkdir(cacheDir, { recursive: true });
  const env = { ...buildEnv(walk), ...extraEnv };
  const now = (): Date => clock.now();
  const server = serverDoor(db, settings, { teamName: walk.run.build.teamName });
  const tags = 'tags' in node.step && node.step.tags !== undefined ? { tags: node.step.tags } : {};
  const stepId = stepIdOf(node, walk);
  return { ...running, cacheDir, now, env, server, stepId, ...tags, ...(await customTypes.ownImage()) };
}

/** The moment the build was made tells it from the build of that number in another installation. */
function stepIdOf(node: PlanNode, { run: { build } }: Walk): string {
  return `${stepHandle(build.id, node.id)}-${build.createdAt.getTime().toString(36)}`;
}
