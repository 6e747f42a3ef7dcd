import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { BuildId, PlanNode } from '../../src/model/index.js';
import { mapNodes } from '../../src/planner/index.js';
import type { StoredEvent } from '../../src/persistence/index.js';
import type { EngineWorld } from './engine-world.js';

/** What must hold of a finished build. Only what is named is compared. */
export interface Expectation {
  readonly status: string;
  /** Names of the steps that began, in order. */
  readonly begun?: readonly string[];
  readonly begun_any_order?: readonly string[];
  /** Lines of the log: `step: line`. */
  readonly output?: readonly string[];
  /** `step: message` of error events. */
  readonly errors?: readonly string[];
  readonly errors_any_order?: readonly string[];
  /** What gets and puts were asked. */
  readonly calls?: readonly string[];
  /** Recorded outputs: `resource ref`. */
  readonly made?: readonly string[];
  /** Pipelines that were set: `team/name first-job`. */
  readonly set?: readonly string[];
  /** Abort the build when this line of the log is there. */
  readonly abort_at?: string;
}

export interface Scenario {
  readonly name: string;
  readonly pipeline: string;
  readonly expect: Expectation;
}

const FOLDER = path.resolve('test/scenarios/builds');

export function loadScenarios(): Scenario[] {
  return readdirSync(FOLDER)
    .sort()
    .map((name) => ({
      name,
      pipeline: readFileSync(path.join(FOLDER, name, 'pipeline.yml'), 'utf8'),
      expect: parse(readFileSync(path.join(FOLDER, name, 'expect.yml'), 'utf8')) as Expectation,
    }));
}

/** Names of the plan's steps by id; of `across` steps by the ids that its event tells. */
export function stepNames(plan: PlanNode, events: readonly StoredEvent[]): (id: string) => string {
  const names = new Map<string, string>();
  const collect = (node: PlanNode): PlanNode => {
    if ('name' in node.step) names.set(node.id, node.step.name);
    mapNodes(node.step, collect);
    return node;
  };
  collect(plan);
  const collectPublic = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return;
    const { id, ...kinds } = value as { id?: unknown };
    for (const content of Object.values(kinds)) {
      const { name } = (content ?? {}) as { name?: unknown };
      if (typeof id === 'string' && typeof name === 'string') names.set(id, name);
      collectPublic(content);
    }
    if (Array.isArray(value)) value.forEach(collectPublic);
  };
  for (const event of events)
    if ('substeps' in event.data) event.data.substeps.forEach(({ step }) => collectPublic(step));
  return (id) => names.get(id) ?? '';
}

const BEGINNINGS = ['start-task', 'start-get', 'start-put'];

/** The finished build in the words of an {@link Expectation}. */
export async function observe(
  world: EngineWorld,
  id: BuildId,
  plan: PlanNode,
): Promise<Required<Omit<Expectation, 'abort_at'>>> {
  const events = await world.events(id);
  const nameOf = stepNames(plan, events);
  const begun = events.filter(({ event }) => BEGINNINGS.includes(event)).map(({ data }) => nameOf(originOf(data)));
  const errors = events.flatMap(({ data }) =>
    'message' in data ? [`${nameOf(originOf(data))}: ${data.message}`] : [],
  );
  const made = await world.db.query<{ line: string }>(
    `select r.name || ' ' || (o.version->>'ref') as line from build_outputs o join resources r on r.id = o.resource_id
     where o.build_id = $1 order by o.id`,
    [id],
  );
  return {
    status: await world.status(id),
    begun,
    begun_any_order: [...begun].sort(),
    output: outputLines(events, nameOf),
    errors,
    errors_any_order: [...errors].sort(),
    calls: [...world.resourceCalls],
    made: made.map(({ line }) => line),
    set: world.setPipelines.map((r) => `${r.teamName}/${r.name} ${r.config.jobs[0]!.name}`),
  };
}

/** The part of an observation that the expectation speaks of. */
export function comparable(expect: Expectation, seen: object): Record<string, unknown> {
  const keys = Object.keys(expect).filter((key) => key !== 'abort_at');
  return Object.fromEntries(keys.map((key) => [key, (seen as Record<string, unknown>)[key]]));
}

/** The expectation with unordered lists sorted, as {@link observe} gives them. */
export function expected({ abort_at: _, ...expect }: Expectation): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(expect).map(([key, value]) => [
      key,
      key.endsWith('any_order') ? [...(value as string[])].sort() : value,
    ]),
  );
}

export function outputLines(events: readonly StoredEvent[], nameOf: (id: string) => string): string[] {
  const texts = new Map<string, string>();
  for (const { data } of events) {
    if (!('payload' in data)) continue;
    const id = originOf(data);
    texts.set(id, (texts.get(id) ?? '') + data.payload);
  }
  return [...texts].flatMap(([id, text]) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `${nameOf(id)}: ${line}`),
  );
}

/** What must hold of every build's events: numbered without a gap, one terminal status, and that last. */
export function eventFaults(events: readonly StoredEvent[]): string[] {
  const faults: string[] = [];
  events.forEach(({ seq }, place) => {
    if (seq !== place) faults.push(`event ${place} has number ${seq}`);
  });
  const statuses = events.flatMap(({ data }) => ('status' in data ? [data.status] : []));
  if (statuses.length !== 2 || statuses[0] !== 'started') faults.push(`statuses: ${statuses.join(', ')}`);
  if (events.at(-1)?.event !== 'status') faults.push('the last event is no status');
  return faults;
}

function originOf(data: StoredEvent['data']): string {
  return ('origin' in data && data.origin.id) || '';
}
