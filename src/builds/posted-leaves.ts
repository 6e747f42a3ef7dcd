import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import {
  didYouMean,
  type ArtifactId,
  type JsonObject,
  type PipelineConfig,
  type PlanStep,
  type ResourceTypeConfig,
  type TaskConfig,
} from '../model/index.js';
import { formatProblem, parseTaskConfig } from '../pipelines/index.js';
import { typedSource, type TypedSource } from '../planner/index.js';
import { duration, known, name, object, PostedPlanError, read, texts, version } from './posted-values.js';

/** What a plan may name beside what stands in it. */
export interface PlanContext {
  /** Of the pipeline in which the build runs: its resources and types. */
  readonly pipeline?: PipelineConfig;
  /** May whoever posts it set pipelines? */
  readonly maySetPipelines?: boolean;
}

/** How the image of a type is fetched, or the server's type that it is. */
const image = z.object({
  base_type: z.string().nullish(),
  get_plan: z.unknown().optional(),
  privileged: z.boolean().nullish(),
});
const typed = z.object({
  name,
  resource: name.nullish(),
  type: name.nullish(),
  source: object.nullish(),
  params: object.nullish(),
  image: image.nullish(),
  tags: texts,
  timeout: duration.nullish(),
});
const getLeaf = typed.extend({ version: version.nullish(), version_from: z.string().nullish() });
const putLeaf = typed.extend({ inputs: z.union([z.enum(['all', 'detect']), z.array(z.string())]).nullish() });
const checkLeaf = typed.extend({ from_version: version.nullish() });
const imageGet = z.object({ get: typed.extend({ type: name }) });
const artifactLeaf = z.object({ name, artifact_id: z.int().positive() });
const limits = z.object({
  cpu: z.union([z.int().min(0), z.string()]).optional(),
  memory: z.union([z.int().min(0), z.string()]).optional(),
});
const mapping = z.record(z.string(), z.string()).nullish();
const taskLeaf = z.object({
  name,
  privileged: z.boolean().default(false),
  hermetic: z.boolean().default(false),
  config: object.nullish(),
  config_path: name.nullish(),
  image: name.nullish(),
  vars: object.nullish(),
  params: object.nullish(),
  input_mapping: mapping,
  output_mapping: mapping,
  container_limits: limits.nullish(),
  resource_types: z.array(z.object({ name, type: name }).loose()).nullish(),
  tags: texts,
  timeout: duration.nullish(),
});
const setPipelineLeaf = z.object({
  name,
  file: name,
  team: z.string().nullish(),
  vars: object.nullish(),
  var_files: texts,
  instance_vars: object.nullish(),
});
const loadVarLeaf = z.object({
  name,
  file: name,
  format: z.string().nullish(),
  reveal: z.boolean().nullish(),
});

/** Types of images of types of images, and so on. */
const LONGEST_CHAIN = 20;

/** Reads the steps of a posted plan that do something themselves. */
export class LeafReader {
  constructor(private readonly context: PlanContext) {}

  /** @returns undefined for a kind that there is not. @throws PostedPlanError */
  read(kind: string, content: unknown, place: string): PlanStep | undefined {
    switch (kind) {
      case 'get':
        return this.get(content, place);
      case 'put': {
        const leaf = read(putLeaf, content, place);
        return { kind, inputs: leaf.inputs ?? 'detect', ...this.common(leaf, place) };
      }
      case 'check': {
        const leaf = read(checkLeaf, content, place);
        const { params: _params, ...common } = this.common(leaf, place);
        return { kind, ...common, resource: leaf.resource ?? leaf.name, ...known({ from: leaf.from_version }) };
      }
      case 'task':
        return task(content, place);
      case 'set_pipeline':
        return this.setPipeline(content, place);
      case 'load_var': {
        const { reveal, ...leaf } = read(loadVarLeaf, content, place);
        return { kind, ...known(leaf), reveal: reveal ?? false };
      }
      case 'run':
        return { kind, ...read(z.object({ message: z.string(), type: z.string() }), content, place) };
      case 'artifact_input': {
        const leaf = read(artifactLeaf, content, place);
        return { kind, name: leaf.name, artifactId: leaf.artifact_id as ArtifactId };
      }
      case 'artifact_output':
        return { kind, name: read(artifactLeaf.pick({ name: true }), content, place).name };
      default:
        return undefined;
    }
  }

  private get(content: unknown, place: string): PlanStep {
    const leaf = read(getLeaf, content, place);
    const { version: chosen, version_from: versionFrom } = leaf;
    if (Boolean(chosen) === Boolean(versionFrom))
      throw new PostedPlanError(
        `${place}.version`,
        "a get needs either a 'version' or, in 'version_from', the id of a put",
      );
    return { kind: 'get', ...this.common(leaf, place), ...known({ version: chosen, versionFrom }) };
  }

  private setPipeline(content: unknown, place: string): PlanStep {
    const { var_files, instance_vars, ...leaf } = read(setPipelineLeaf, content, place);
    if (!this.context.maySetPipelines)
      throw new PostedPlanError(place, 'you may not set pipelines of this team, so a build of yours may not either');
    return {
      kind: 'set_pipeline',
      ...known({ ...leaf, team: leaf.team || undefined, varFiles: var_files, instanceVars: instance_vars }),
    };
  }

  private common(leaf: z.infer<typeof typed>, place: string) {
    const { resource, params, tags, timeout } = leaf;
    return { name: leaf.name, ...this.typeOf(leaf, place), ...known({ resource, params, tags, timeout }) };
  }

  /**
   * Type and source: those of the pipeline's resource if one is named, which nobody may change by a plan. A type that the
   * pipeline has is the pipeline's; another may come with its image.
   */
  private typeOf({ resource, type, source, image: of }: z.infer<typeof typed>, place: string): TypedSource {
    const types = this.context.pipeline?.resource_types;
    if (resource !== null && resource !== undefined) {
      const own = typedSource(this.resource(resource, `${place}.resource`), types);
      const given = typedSource({ type: type ?? own.type, source: source ?? own.source }, types);
      if (own.type === given.type && isDeepStrictEqual(own.source, given.source)) return own;
      throw new PostedPlanError(
        `${place}.${own.type === given.type ? 'source' : 'type'}`,
        `is not that of the pipeline's resource '${resource}': leave it out, or leave out 'resource'`,
      );
    }
    if (!type) throw new PostedPlanError(`${place}.type`, "is missing: name a type, or a 'resource' of the pipeline");
    const found = typedSource({ type, source: source ?? {} }, types);
    const isBase = !of || (of.base_type ?? type) === type;
    if (found.resourceTypes || (isBase && !of?.get_plan)) return found;
    return { ...found, resourceTypes: postedChain(type, of ?? {}, `${place}.image`, LONGEST_CHAIN) };
  }

  private resource(resource: string, place: string): { readonly type: string; readonly source?: JsonObject } {
    const { pipeline } = this.context;
    if (!pipeline)
      throw new PostedPlanError(place, 'a build outside of a pipeline has no resources: post it to a pipeline');
    const found = pipeline.resources?.find((each) => each.name === resource);
    if (found) return found;
    const names = (pipeline.resources ?? []).map((each) => each.name);
    throw new PostedPlanError(place, `the pipeline has no resource '${resource}'${didYouMean(resource, names)}`);
  }
}

/** The types that a posted `image` describes, the used one first: how each is fetched is a get of its own. */
function postedChain(
  type: string,
  { get_plan: plan, privileged }: Partial<z.infer<typeof image>>,
  place: string,
  most: number,
): ResourceTypeConfig[] {
  if (plan === null || plan === undefined)
    throw new PostedPlanError(`${place}.get_plan`, `is missing: '${type}' is an image, which must be fetched`);
  if (most === 0) throw new PostedPlanError(place, `types are made of more than ${LONGEST_CHAIN} types`);
  const { get } = read(imageGet, plan, `${place}.get_plan`);
  const { source, params, tags } = get;
  const own = { name: type, type: get.type, ...known({ source, params, privileged, tags }) };
  const isBase = !get.image?.get_plan && (get.image?.base_type ?? get.type) === get.type;
  return isBase ? [own] : [own, ...postedChain(get.type, get.image ?? {}, `${place}.get_plan.get.image`, most - 1)];
}

function task(content: unknown, place: string): PlanStep {
  const leaf = read(taskLeaf, content, place);
  if (Boolean(leaf.config) === Boolean(leaf.config_path))
    throw new PostedPlanError(`${place}.config`, "a task needs either a 'config' or, in 'config_path', its file");
  return {
    kind: 'task',
    ...{ name: leaf.name, privileged: leaf.privileged, hermetic: leaf.hermetic },
    ...known({
      config: leaf.config ? taskConfig(leaf.config, `${place}.config`) : undefined,
      file: leaf.config_path,
      image: leaf.image,
      vars: leaf.vars,
      params: leaf.params,
      inputMapping: leaf.input_mapping,
      outputMapping: leaf.output_mapping,
      limits: leaf.container_limits,
      resourceTypes: leaf.resource_types as unknown as ResourceTypeConfig[] | undefined,
      tags: leaf.tags,
      timeout: leaf.timeout,
    }),
  };
}

function taskConfig(written: unknown, place: string): TaskConfig {
  const { config, problems } = parseTaskConfig(JSON.stringify(written));
  if (!config) throw new PostedPlanError(place, problems.map(formatProblem).join('; '));
  return config;
}
