import { z } from 'zod';
import type { ArtifactId, PlanNode, PlanStep, ResourceTypeConfig } from '../model/index.js';
import { formatProblem, parseTaskConfig } from '../pipelines/index.js';
import { mapNodes } from '../planner/index.js';
import { UserError } from '../platform/index.js';

const MAX_NODES = 1_000;
const MAX_DEPTH = 50;
const KINDS = ['get', 'task', 'artifact_input', 'artifact_output', 'do', 'in_parallel', 'ensure'] as const;

const texts = z.array(z.string()).nullish();
const object = z.record(z.string(), z.json());
const getLeaf = z.object({
  name: z.string().min(1),
  type: z.string().min(1),
  source: object.default({}),
  params: object.nullish(),
  version: z.record(z.string(), z.string()),
  image: z.object({ base_type: z.string().optional() }).loose().nullish(),
  tags: texts,
});
const artifactLeaf = z.object({ name: z.string().min(1), artifact_id: z.int().positive() });
const taskLeaf = z.object({
  name: z.string().min(1),
  privileged: z.boolean().default(false),
  hermetic: z.boolean().default(false),
  config: object,
  image: z.string().min(1).nullish(),
  input_mapping: z.record(z.string(), z.string()).nullish(),
  resource_types: z.array(z.object({ name: z.string(), type: z.string() }).loose()).nullish(),
  tags: texts,
});

/** A posted plan that is not one this server runs; the message names the place. */
export class PostedPlanError extends UserError {
  constructor(place: string, message: string) {
    super('invalid-plan', `${place}: ${message}`);
  }
}

/**
 * The plan of a one-off build as clients of Concourse post it: `{"id": "…", "<kind>": {…}}`. Everything is checked, as
 * anybody in the team may post one; ids are kept.
 * @throws PostedPlanError for an unknown kind, a missing field, an id that is used twice, and a plan that is too large.
 */
export function parsePostedPlan(posted: unknown): PlanNode {
  return new PlanReader().node(posted, 'plan', 1);
}

/** The uploaded artifacts that a plan reads, each once. */
export function uploadsIn({ step }: PlanNode): ArtifactId[] {
  const found = new Set(step.kind === 'artifact_input' ? [step.artifactId] : []);
  mapNodes(step, (child) => {
    uploadsIn(child).forEach((id) => found.add(id));
    return child;
  });
  return [...found];
}

class PlanReader {
  private readonly ids = new Set<string>();

  node(posted: unknown, place: string, depth: number): PlanNode {
    if (depth > MAX_DEPTH) throw new PostedPlanError(place, `steps are nested more than ${MAX_DEPTH} deep`);
    const { id, attempts: _attempts, ...kinds } = this.read(object, posted, place);
    if (typeof id !== 'string' || !/^[0-9a-z][0-9a-z-]{0,31}$/.test(id))
      throw new PostedPlanError(place, "every step needs an 'id' of up to 32 lower-case letters, digits and dashes");
    if (this.ids.has(id)) throw new PostedPlanError(place, `the id '${id}' is used twice`);
    this.ids.add(id);
    if (this.ids.size > MAX_NODES) throw new PostedPlanError(place, `the plan has more than ${MAX_NODES} steps`);
    const [kind, ...others] = Object.keys(kinds);
    if (kind === undefined || others.length > 0)
      throw new PostedPlanError(place, `a step is of one kind, this has: ${Object.keys(kinds).join(', ') || 'none'}`);
    return { id, step: this.step(kind, kinds[kind], `${place}.${kind}`, depth) };
  }

  private step(kind: string, content: unknown, place: string, depth: number): PlanStep {
    switch (kind) {
      case 'do':
        return { kind, steps: this.list(content, place, depth) };
      case 'in_parallel': {
        const shape = z.object({
          steps: z.unknown(),
          limit: z.int().min(0).nullish(),
          fail_fast: z.boolean().nullish(),
        });
        const { steps, limit, fail_fast: failFast } = this.read(shape, content, place);
        return {
          kind,
          steps: this.list(steps, `${place}.steps`, depth),
          failFast: failFast ?? false,
          ...(limit ? { limit } : {}),
        };
      }
      case 'ensure': {
        const { step, ensure } = this.read(z.object({ step: z.unknown(), ensure: z.unknown() }), content, place);
        return {
          kind,
          step: this.node(step, `${place}.step`, depth + 1),
          hook: this.node(ensure, `${place}.ensure`, depth + 1),
        };
      }
      case 'get':
        return this.get(content, place);
      case 'task':
        return this.task(content, place);
      case 'artifact_input': {
        const { artifact_id: artifactId, name } = this.read(artifactLeaf, content, place);
        return { kind, name, artifactId: artifactId as ArtifactId };
      }
      case 'artifact_output':
        return { kind, name: this.read(artifactLeaf.pick({ name: true }), content, place).name };
      default:
        throw new PostedPlanError(place, `a one-off build cannot do this; it can: ${KINDS.join(', ')}`);
    }
  }

  /** Go writes an empty list as null. */
  private list(content: unknown, place: string, depth: number): PlanNode[] {
    const steps = this.read(z.array(z.unknown()).nullish(), content, place) ?? [];
    return steps.map((step, index) => this.node(step, `${place}[${index}]`, depth + 1));
  }

  private get(content: unknown, place: string): PlanStep {
    const { name, type, source, params, version, image, tags } = this.read(getLeaf, content, place);
    const isCustom = image !== null && image !== undefined && image.base_type !== type;
    if (isCustom) throw new PostedPlanError(place, `not supported yet: type '${type}' that is an image`);
    return {
      kind: 'get',
      ...{ name, type, source, version },
      ...(params ? { params } : {}),
      ...(tags ? { tags } : {}),
    };
  }

  private task(content: unknown, place: string): PlanStep {
    const leaf = this.read(taskLeaf, content, place);
    const { config, problems } = parseTaskConfig(JSON.stringify(leaf.config));
    if (!config) throw new PostedPlanError(`${place}.config`, problems.map(formatProblem).join('; '));
    return {
      kind: 'task',
      ...{ name: leaf.name, privileged: leaf.privileged, hermetic: leaf.hermetic, config },
      ...(leaf.image ? { image: leaf.image } : {}),
      ...(leaf.input_mapping ? { inputMapping: leaf.input_mapping } : {}),
      ...(leaf.resource_types ? { resourceTypes: leaf.resource_types as unknown as ResourceTypeConfig[] } : {}),
      ...(leaf.tags ? { tags: leaf.tags } : {}),
    };
  }

  private read<Output>(shape: z.ZodType<Output>, content: unknown, place: string): Output {
    const result = shape.safeParse(content);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    throw new PostedPlanError([place, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'not understood');
  }
}
