import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { BuildId, JsonObject, PlanNode } from '../../src/model/index.js';
import { mapNodes } from '../../src/planner/index.js';
import { requestAbort, type StoredEvent } from '../../src/persistence/index.js';
import type { EngineWorld } from './engine-world.js';

/** What must hold of a finished build. Only what is named is compared. */
export interface Expectation {
  readonly status: string;
  /** Names of the steps that began, in order. */
  readonly begun?: readonly string[];
  readonly begun_any_order?: readonly string[];
  /** Lines of the log: `step: line`. */
  readonly output?: readonly string[];
  /** Lines of the log, among others. */
  readonly says?: readonly string[];
  /** `step: message` of error events. */
  readonly errors?: readonly string[];
  readonly errors_any_order?: readonly string[];
  /** What gets and puts were asked. */
  readonly calls?: readonly string[];
  /** Recorded outputs: `resource ref`. */
  readonly made?: readonly string[];
  /** Pipelines that were set: `team/name first-job`, of an instance also its vars; the build's own is `(self)`. */
  readonly set?: readonly string[];
  /** Abort the build when this line of the log is there. */
  readonly abort_at?: string;
  /** Of the pipeline: it is an instance. */
  readonly instance_vars?: JsonObject;
  /** Values given for the job's vars. */
  readonly vars?: JsonObject;
  /** Runtimes that cannot do what the scenario needs, and why. */
  readonly not_on?: Readonly<Partial<Record<MachineName, string>>>;
  /** Its tasks need rights that a daemon inside a container may not have itself. */
  readonly is_privileged?: boolean;
}

export type MachineName = 'dummy' | 'host' | 'docker';

/** What says how to run a scenario, not what comes of it. */
type Conditions = 'abort_at' | 'instance_vars' | 'vars' | 'not_on' | 'is_privileged';
const CONDITIONS: readonly string[] = [
  'abort_at',
  'instance_vars',
  'vars',
  'not_on',
  'is_privileged',
] satisfies Conditions[];

export interface Scenario {
  readonly name: string;
  readonly pipeline: string;
  readonly expect: Expectation;
}

const END_MS = 60_000;
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

/** What came of a build. */
export type Seen = Required<Omit<Expectation, Conditions | 'says'>>;

/** The finished build in the words of an {@link Expectation}. */
export async function observe(world: EngineWorld, id: BuildId, plan: PlanNode): Promise<Seen> {
  const events = (await world.events(id)).filter(({ data }) => !/\/image-(check|get)$/.test(originOf(data)));
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
  const [own] = await world.db.query<{ name: string }>(
    `select p.name from pipelines p join builds b on b.pipeline_id = p.id where b.id = $1`,
    [id],
  );
  return {
    status: await world.status(id),
    begun,
    begun_any_order: [...begun].sort(),
    output: outputLines(events, nameOf),
    errors,
    errors_any_order: [...errors].sort(),
    calls: world.callsOf(id),
    made: made.map(({ line }) => line),
    set: world.setPipelines
      .filter(({ parent }) => parent?.buildId === id)
      .map(({ teamName, name, config, instanceVars }) => {
        const instance = instanceVars ? ` ${JSON.stringify(instanceVars)}` : '';
        return `${teamName}/${name === own?.name ? '(self)' : name} ${config.jobs[0]!.name}${instance}`;
      }),
  };
}

/** The part of an observation that the expectation speaks of. */
export function comparable(expect: Expectation, seen: Seen): Record<string, unknown> {
  const says = expect.says && seen.output.filter((line) => expect.says?.includes(line));
  const keys = Object.keys(expect).filter((key) => !CONDITIONS.includes(key));
  return Object.fromEntries(keys.map((key) => [key, ({ ...seen, says } as Record<string, unknown>)[key]]));
}

/** The expectation with unordered lists sorted, as {@link observe} gives them. */
export function expected(expect: Expectation): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(expect)
      .filter(([key]) => !CONDITIONS.includes(key))
      .map(([key, value]) => [key, key.endsWith('any_order') ? [...(value as string[])].sort() : value]),
  );
}

/** Runs the scenario to its end. @returns what was seen, and {@link eventFaults}. */
export async function runScenario(
  world: EngineWorld,
  { pipeline, expect }: Scenario,
  prepare: (pipeline: string) => string = (text) => text,
): Promise<{ readonly seen: Seen; readonly faults: string[] }> {
  const { id, plan } = await world.start(await world.pipeline(prepare(pipeline), expect.instance_vars), expect.vars);
  const line = expect.abort_at;
  if (line !== undefined) {
    const lines = async (): Promise<string[]> => {
      const events = await world.events(id);
      return outputLines(events, stepNames(plan, events));
    };
    await world.until(async () => (await lines()).includes(line), `"${line}"`, END_MS);
    await world.db.tx((tx) => requestAbort(tx, id, 'tester'));
  }
  await world.finished(id, END_MS);
  return { seen: await observe(world, id, plan), faults: eventFaults(await world.events(id)) };
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
