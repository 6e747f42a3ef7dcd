import type { BuildId, BuildStatus, Digest, JobId, Pair, ResourceId, Version } from '../model/index.js';
import type { JobRequest, Passed } from './types.js';
import { World, type WorldBuild, type WorldResource } from './world.js';

/** A scenario that can be planned: the world, what is asked, and how the file names things. */
export interface Scenario {
  readonly name: string;
  readonly resources: readonly WorldResource[];
  readonly builds: readonly WorldBuild[];
  readonly jobs: ReadonlyMap<JobId, string>;
  readonly resourceNames: ReadonlyMap<ResourceId, string>;
  readonly request: JobRequest;
  readonly world: World;
  /** What the file expects, as written. */
  readonly expect: unknown;
  /** The version as the file writes it: text, or a number in the compact form. */
  readonly versionAsWritten: (version: Version) => string | number;
}

/** The file is not a scenario. The message says where. */
export class ScenarioError extends Error {}

/**
 * Reads scenarios (one or an array) in either form of the scenario format, from parsed JSON. In a world a version's
 * digest is its name.
 * @throws {@link ScenarioError}
 */
export function readScenarios(json: unknown): readonly Scenario[] {
  return (Array.isArray(json) ? json : [json]).map((item: unknown, i) => readScenario(item, `scenario ${i + 1}`));
}

/** Reads one scenario; `where` is what it is called in errors. @throws {@link ScenarioError} */
export function readScenario(json: unknown, where: string): Scenario {
  const root = new Node(json, where);
  const given = root.has('given') ? root.get('given') : root;
  const name = root.has('name') ? root.get('name').name() : root.where;
  const names = new Names(given);
  const isCompact = given.has('versions');
  const resources = given.list('resources').map((row) => (isCompact ? compactResource(row, given) : resource(row)));
  const builds = given.list('builds').map((row) => (row.isArray ? compactBuild(row, names, given) : build(row, names)));
  const request: JobRequest = {
    jobId: names.job(given.get('job')),
    inputs: given.list('inputs').flatMap((row) => {
      const passed = row.has('passed') ? readPassed(row.get('passed'), names) : null;
      // A pattern that matches no job takes its input out of the planner's sight (scheduler-semantics §1).
      if (passed === 'nothing') return [];
      const asked = row.has('version') ? row.get('version') : undefined;
      const plain = asked?.value === 'every' ? 'every' : 'latest';
      const version = asked?.has('pinned')
        ? { pinned: versionNamed(asked.get('pinned').name()), by: 'step' as const }
        : plain;
      return {
        name: row.get('name').name(),
        resourceId: names.resource(row.get('resource')),
        trigger: true,
        passed,
        version,
      };
    }),
  };
  const versionAsWritten = ({ ver = '' }: Version): string | number =>
    isCompact && /^\d+$/.test(ver) ? Number(ver) : ver;
  const world = new World(resources, builds);
  const expect = root.has('expect') ? root.get('expect').value : undefined;
  return {
    name,
    resources,
    builds,
    jobs: names.jobNames,
    resourceNames: names.resourceNames,
    request,
    world,
    expect,
    versionAsWritten,
  };
}

function versionNamed(name: string): Version {
  return { ver: name };
}

function resource(row: Node): WorldResource {
  const disabled = new Set<Digest>();
  const versions = row.list('versions').map((version) => {
    const digest = version.get('version').name() as Digest;
    if (version.has('disabled') && version.get('disabled').value === true) disabled.add(digest);
    return { digest, version: versionNamed(digest), checkOrder: version.get('checkOrder').number() };
  });
  for (const unknown of row.list('disabledUnknown')) disabled.add(unknown.name() as Digest);
  return { id: row.get('id').number() as ResourceId, versions, disabled };
}

function build(row: Node, names: Names): WorldBuild {
  const pair = (used: Node): Pair & { name: string } => ({
    name: used.get(used.has('name') ? 'name' : 'resource').name(),
    resourceId: names.resource(used.get('resource')),
    digest: used.get('version').name() as Digest,
  });
  return {
    id: row.get('id').number() as BuildId,
    jobId: names.job(row.get('job')),
    status: row.get('status').name() as BuildStatus,
    rerunOf: row.has('rerunOf') ? (row.get('rerunOf').number() as BuildId) : null,
    outputs: row.list('outputs').map(pair),
    inputs: row.list('inputs').map(pair),
    pipes: row.list('pipes').map((id) => id.number() as BuildId),
  };
}

/** `[id, name, historyId | null]`, with the versions of all histories in one list. */
function compactResource(row: Node, given: Node): WorldResource {
  const id = row.at(0).number() as ResourceId;
  const history = row.at(2).value;
  const versions = given.compactVersions().get(history) ?? [];
  const disabled = given.list('disabled').filter((mark) => mark.at(0).value === id);
  return { id, versions, disabled: new Set(disabled.map((mark) => mark.at(1).name() as Digest)) };
}

/** `[id, jobId, "s" | "f", rerunOf | 0, [[resourceId, version]...], [[resourceId, version]...]]` */
function compactBuild(row: Node, names: Names, given: Node): WorldBuild {
  const pair = (used: Node): Pair & { name: string } => {
    const resourceId = used.at(0).number() as ResourceId;
    return { name: names.resourceName(resourceId), resourceId, digest: used.at(1).name() as Digest };
  };
  const id = row.at(0).number() as BuildId;
  return {
    id,
    jobId: row.at(1).number() as JobId,
    status: row.at(2).value === 's' ? 'succeeded' : 'failed',
    rerunOf: (row.at(3).number() || null) as BuildId | null,
    outputs: row.at(4).items().map(pair),
    inputs: row.at(5).items().map(pair),
    pipes: given.compactPipes().get(id) ?? [],
  };
}

/** A list of job names or globs is `all` of them; `any` and `all` nest. An empty list asks for nothing. */
function readPassed(node: Node, names: Names): Passed | null | 'nothing' {
  const read = (term: Node): readonly Passed[] => {
    if (term.has('any')) return [{ any: term.list('any').flatMap(read) }];
    if (term.has('all')) return [{ all: term.list('all').flatMap(read) }];
    return names.jobsMatching(term).map((job) => ({ job }));
  };
  if (!node.isArray) return read(node)[0] ?? 'nothing';
  const terms = node.items().flatMap(read);
  if (terms.length > 0) return { all: terms };
  return node.items().length > 0 ? 'nothing' : null;
}

/** What the file calls jobs and resources. */
class Names {
  readonly jobNames = new Map<JobId, string>();
  private readonly jobIds = new Map<unknown, JobId>();
  private readonly resourceIds = new Map<unknown, ResourceId>();
  readonly resourceNames = new Map<ResourceId, string>();

  constructor(given: Node) {
    for (const row of given.list('jobs')) {
      const id = row.field('id', 0).number() as JobId;
      const name = row.field('name', 1).name();
      this.jobNames.set(id, name);
      this.jobIds.set(id, id).set(name, id);
    }
    for (const row of given.list('resources')) {
      const id = row.field('id', 0).number() as ResourceId;
      const name = row.field('name', 1).name();
      this.resourceNames.set(id, name);
      this.resourceIds.set(id, id).set(name, id);
    }
  }

  job(node: Node): JobId {
    return this.jobIds.get(node.value) ?? node.fail('names no job of the scenario');
  }

  resource(node: Node): ResourceId {
    return this.resourceIds.get(node.value) ?? node.fail('names no resource of the scenario');
  }

  resourceName(id: ResourceId): string {
    return this.resourceNames.get(id) ?? String(id);
  }

  jobsMatching(node: Node): readonly JobId[] {
    const exact = this.jobIds.get(node.value);
    if (exact !== undefined) return [exact];
    const name = node.name();
    if (!/[*?[{]/.test(name)) return node.fail('names no job of the scenario');
    const pattern = globPattern(name);
    return [...this.jobNames].flatMap(([id, jobName]) => (pattern.test(jobName) ? [id] : []));
  }
}

/** Shell globs: `*`, `?`, `[abc]`, `[!a-z]`, `{one,two}`; a backslash takes the next character as it is. */
function globPattern(glob: string): RegExp {
  let depth = 0;
  const source = glob.replace(/\\.|\[!?[^\]]+\]|[\s\S]/g, (part) => {
    if (part.length > 1 && part.startsWith('[')) return part.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    if (part.startsWith('\\')) return part;
    if (part === '*') return '[^]*';
    if (part === '?') return '[^]';
    if (part === '{') return (depth++, '(?:');
    if (part === '}' && depth > 0) return (depth--, ')');
    if (part === ',' && depth > 0) return '|';
    return part.replace(/[.+^$()|[\]{}]/, '\\$&');
  });
  return new RegExp(`^${source}$`);
}

/** A place in the file, so that an error can say where it is. */
class Node {
  private versionsByHistory: ReadonlyMap<unknown, WorldResource['versions']> | undefined;
  private pipesByBuild: ReadonlyMap<unknown, readonly BuildId[]> | undefined;

  constructor(
    readonly value: unknown,
    readonly where: string,
  ) {}

  get isArray(): boolean {
    return Array.isArray(this.value);
  }

  has(key: string): boolean {
    return (
      typeof this.value === 'object' &&
      this.value !== null &&
      (this.value as Record<string, unknown>)[key] !== undefined
    );
  }

  get(key: string): Node {
    const node = new Node((this.value as Record<string, unknown> | undefined)?.[key], `${this.where}.${key}`);
    return this.has(key) ? node : node.fail('is missing');
  }

  at(index: number): Node {
    return new Node((this.value as readonly unknown[])[index], `${this.where}[${index}]`);
  }

  /** A field that has a name in the long form and a place in the compact one. */
  field(key: string, index: number): Node {
    return this.isArray ? this.at(index) : this.get(key);
  }

  /** The items under `key`; none when it is absent. */
  list(key: string): readonly Node[] {
    return this.has(key) ? this.get(key).items() : [];
  }

  items(): readonly Node[] {
    const items: unknown = this.value;
    if (!Array.isArray(items)) return this.fail('must be a list');
    return items.map((item: unknown, i) => new Node(item, `${this.where}[${i}]`));
  }

  number(): number {
    return typeof this.value === 'number' ? this.value : this.fail('must be a number');
  }

  /** A text; a number is taken as its digits. */
  name(): string {
    if (typeof this.value === 'string' || typeof this.value === 'number') return String(this.value);
    return this.fail('must be a text');
  }

  compactVersions(): ReadonlyMap<unknown, WorldResource['versions']> {
    if (this.versionsByHistory) return this.versionsByHistory;
    const byHistory = new Map<unknown, { digest: Digest; version: Version; checkOrder: number }[]>();
    for (const row of this.list('versions')) {
      const digest = row.at(1).name() as Digest;
      const versions = byHistory.get(row.at(0).value) ?? [];
      versions.push({ digest, version: versionNamed(digest), checkOrder: row.at(2).number() });
      byHistory.set(row.at(0).value, versions);
    }
    return (this.versionsByHistory = byHistory);
  }

  compactPipes(): ReadonlyMap<unknown, readonly BuildId[]> {
    if (this.pipesByBuild) return this.pipesByBuild;
    const byBuild = new Map<unknown, BuildId[]>();
    for (const row of this.list('pipes')) {
      byBuild.set(row.at(1).value, [...(byBuild.get(row.at(1).value) ?? []), row.at(0).number() as BuildId]);
    }
    return (this.pipesByBuild = byBuild);
  }

  fail(problem: string): never {
    throw new ScenarioError(`${this.where} ${problem}`);
  }
}
