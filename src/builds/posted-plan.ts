import { z } from 'zod';
import type { ArtifactId, HookKind, PlanNode, PlanStep } from '../model/index.js';
import { conditionFault } from '../pipelines/index.js';
import { mapNodes } from '../planner/index.js';
import { LeafReader, type PlanContext } from './posted-leaves.js';
import { demand, duration, name, object, PostedPlanError, read, version } from './posted-values.js';

const MAX_NODES = 1_000;
const MAX_DEPTH = 50;
const HOOKS: readonly string[] = ['on_success', 'on_failure', 'on_error', 'on_abort', 'ensure'] satisfies HookKind[];
const KINDS = `get, put, task, check, run, set_pipeline, load_var, artifact_input, artifact_output, do, in_parallel, across, try, when, timeout, retry, ${HOOKS.join(', ')}`;

const parallel = z.object({ steps: z.unknown(), limit: z.int().min(0).nullish(), fail_fast: z.boolean().nullish() });
const across = z.object({
  vars: z
    .array(
      z.object({
        name,
        values: z.json(),
        max_in_flight: z.union([z.literal('all'), z.int().positive()]).nullish(),
      }),
    )
    .min(1),
  substep_template: z.unknown(),
  fail_fast: z.boolean().nullish(),
});
const when = z.object({ condition: z.string(), versions: z.record(z.string(), version).nullish(), step: z.unknown() });

/**
 * The plan of a one-off build as clients of Concourse post it: `{"id": "…", "<kind>": {…}}`. Everything is checked, as
 * anybody in the team may post one; ids are kept.
 * @throws PostedPlanError for an unknown kind, a missing field, an id that is used twice, a plan that is too large, and for what the plan
 * may not name.
 */
export function parsePostedPlan(posted: unknown, context: PlanContext = {}): PlanNode {
  const reader = new PlanReader(context);
  const plan = reader.node(posted, 'plan', 1);
  reader.demandPuts();
  return plan;
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
  private readonly kinds = new Map<string, string>();
  private readonly leaves: LeafReader;
  /** Gets that fetch what a put has made: the put's id by the place. */
  private readonly versionsFrom = new Map<string, string>();

  constructor(context: PlanContext) {
    this.leaves = new LeafReader(context);
  }

  node(posted: unknown, place: string, depth: number): PlanNode {
    if (depth > MAX_DEPTH) throw new PostedPlanError(place, `steps are nested more than ${MAX_DEPTH} deep`);
    const { id, attempts: _attempts, ...kinds } = read(object, posted, place);
    if (typeof id !== 'string' || !/^[0-9a-z][0-9a-z-]{0,31}$/.test(id))
      throw new PostedPlanError(place, "every step needs an 'id' of up to 32 lower-case letters, digits and dashes");
    if (this.kinds.has(id)) throw new PostedPlanError(place, `the id '${id}' is used twice`);
    const [kind, ...others] = Object.keys(kinds);
    if (kind === undefined || others.length > 0)
      throw new PostedPlanError(place, `a step is of one kind, this has: ${Object.keys(kinds).join(', ') || 'none'}`);
    this.kinds.set(id, kind);
    if (this.kinds.size > MAX_NODES) throw new PostedPlanError(place, `the plan has more than ${MAX_NODES} steps`);
    const step = this.step(kind, kinds[kind], `${place}.${kind}`, depth);
    if (step.kind === 'get' && step.versionFrom !== undefined)
      this.versionsFrom.set(`${place}.get.version_from`, step.versionFrom);
    return { id, step };
  }

  /** @throws PostedPlanError for a get of what no put of the plan makes. */
  demandPuts(): void {
    for (const [place, id] of this.versionsFrom)
      if (this.kinds.get(id) !== 'put') throw new PostedPlanError(place, `no put of the plan has the id '${id}'`);
  }

  private step(kind: string, content: unknown, place: string, depth: number): PlanStep {
    const inner = (posted: unknown, where: string): PlanNode => this.node(posted, `${place}.${where}`, depth + 1);
    switch (kind) {
      case 'do':
        return { kind, steps: this.list(content, place, depth) };
      case 'retry':
        return { kind, attempts: this.list(content, place, depth) };
      case 'in_parallel': {
        const { steps, limit, fail_fast: failFast } = read(parallel, content, place);
        return {
          kind,
          steps: this.list(steps, `${place}.steps`, depth),
          failFast: failFast ?? false,
          ...(limit ? { limit } : {}),
        };
      }
      case 'across':
        return this.across(content, place, inner);
      case 'try':
        return { kind, step: inner(read(z.object({ step: z.unknown() }), content, place).step, 'step') };
      case 'timeout': {
        const timeout = read(z.object({ step: z.unknown(), duration }), content, place);
        return { kind, step: inner(timeout.step, 'step'), duration: timeout.duration };
      }
      case 'when': {
        const { condition, versions, step } = read(when, content, place);
        demand(conditionFault(condition), `${place}.condition`);
        return { kind, condition, versions: versions ?? {}, step: inner(step, 'step') };
      }
      default:
        return isHook(kind) ? this.hook(kind, content, place, inner) : this.leaf(kind, content, place);
    }
  }

  private hook(kind: HookKind, content: unknown, place: string, inner: InnerReader): PlanStep {
    const { step, [kind]: hook } = read(object, content, place);
    return { kind, step: inner(step, 'step'), hook: inner(hook, kind) };
  }

  private leaf(kind: string, content: unknown, place: string): PlanStep {
    const leaf = this.leaves.read(kind, content, place);
    if (!leaf) throw new PostedPlanError(place, `a one-off build cannot do this; it can: ${KINDS}`);
    return leaf;
  }

  /** Concourse sends the template as a text, which holds the JSON of a step. */
  private across(content: unknown, place: string, inner: InnerReader): PlanStep {
    const { vars, substep_template: template, fail_fast: failFast } = read(across, content, place);
    return {
      kind: 'across',
      vars: vars.map((each) => ({ name: each.name, values: each.values, maxInFlight: each.max_in_flight ?? 1 })),
      failFast: failFast ?? false,
      template: inner(
        typeof template === 'string' ? parseJson(template, `${place}.substep_template`) : template,
        'substep_template',
      ),
    };
  }

  /** Go writes an empty list as null. */
  private list(content: unknown, place: string, depth: number): PlanNode[] {
    const steps = read(z.array(z.unknown()).nullish(), content, place) ?? [];
    return steps.map((step, index) => this.node(step, `${place}[${index}]`, depth + 1));
  }
}

type InnerReader = (posted: unknown, where: string) => PlanNode;

function isHook(kind: string): kind is HookKind {
  return HOOKS.includes(kind);
}

function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PostedPlanError(place, 'is not the JSON of a step');
  }
}
