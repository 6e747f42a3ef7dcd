import { mkdtempSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { z } from 'zod';
import { BuildTracker, type CheckRunner, type CredentialSource } from '../../src/builds/index.js';
import {
  isFinal,
  versionDigest,
  type BuildId,
  type BuildStatus,
  type JobId,
  type JsonObject,
  type PipelineConfig,
  type PlanNode,
  type Version,
} from '../../src/model/index.js';
import { NotificationListener, appendEvents, notify, type Db, type StoredEvent } from '../../src/persistence/index.js';
import { PipelinesService, parsePipeline, type SetPipelineRequest } from '../../src/pipelines/index.js';
import { makeBuildPlan } from '../../src/planner/index.js';
import { Metrics, Settings, systemClock, type Logger } from '../../src/platform/index.js';
import { ResourceFailure, type ResourceType, type StepContext } from '../../src/resources/index.js';
import {
  DirectoryArtifactStore,
  DummyRuntime,
  DummyWorld,
  type DummyProgram,
  type Runtime,
} from '../../src/runtime/index.js';
import { createTestDb, type TestDb } from './test-db.js';

export const silent: Logger = pino({ level: process.env.TEST_LOG ?? 'silent' }, pino.destination(2));

/** A database, a dummy machine and any number of engines on them: what a test of builds needs. */
export class EngineWorld {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'weir-engine-'));
  readonly artifacts = new DirectoryArtifactStore(this.folder);
  /** Handles in the order in which their programs began. */
  readonly begun: string[] = [];
  /** What gets and puts did, in order: `get repo v1`, `put repo v2`. */
  readonly resourceCalls: string[] = [];
  private readonly callsByBuild = new Map<string, string[]>();
  readonly setPipelines: SetPipelineRequest[] = [];
  readonly machine: DummyWorld;
  readonly engines: BuildTracker[] = [];
  checkRunner: CheckRunner | undefined;
  credentials: CredentialSource | undefined;
  stepGraceMs = 200;
  private pipelines = 0;

  private constructor(
    readonly test: TestDb,
    readonly listener: NotificationListener,
    programs: Readonly<Record<string, DummyProgram>>,
  ) {
    const note =
      (program: DummyProgram): DummyProgram =>
      (step) => {
        this.begun.push(step.spec.handle);
        return program(step);
      };
    this.machine = new DummyWorld(
      Object.fromEntries(Object.entries({ ...PROGRAMS, ...programs }).map(([name, p]) => [name, note(p)])),
    );
  }

  /** @param programs more of them for the dummy machine */
  static async create(programs: Readonly<Record<string, DummyProgram>> = {}): Promise<EngineWorld> {
    const test = await createTestDb();
    const listener = new NotificationListener(test.url, silent);
    await listener.start();
    return new EngineWorld(test, listener, programs);
  }

  get db(): Db {
    return this.test.db;
  }

  async close(): Promise<void> {
    for (const engine of this.engines) await engine.stop();
    await this.listener.stop();
    await this.test.drop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  /** One server in one of its lives. */
  engine(
    epoch: number,
    options: {
      readonly db?: Db;
      readonly instance?: string;
      readonly runtime?: Runtime;
      readonly resourceType?: ResourceType;
      readonly log?: Logger;
      /** Types by name, instead of the scripted one. */
      readonly resourceTypes?: Readonly<Record<string, ResourceType>>;
      readonly settings?: Partial<Settings>;
    } = {},
  ): BuildTracker {
    const settings = new Settings({
      dataDir: this.folder,
      instanceId: options.instance ?? 'one',
      gitLocalPaths: 'allow',
      epoch,
      stepGraceMs: this.stepGraceMs,
      ...options.settings,
    });
    const tracker = new BuildTracker(
      options.db ?? this.db,
      this.listener,
      options.runtime ?? new DummyRuntime(this.machine, this.artifacts),
      this.artifacts,
      { get: (name) => options.resourceTypes?.[name] ?? options.resourceType ?? this.resourceType() },
      {
        setPipelineIn: (tx, request) => {
          this.setPipelines.push(request);
          return new PipelinesService(this.db).setPipelineIn(tx, request);
        },
      },
      settings,
      systemClock,
      options.log ?? silent,
      new Metrics(),
      this.checkRunner,
      this.credentials,
    );
    this.engines.push(tracker);
    return tracker;
  }

  /** What the build asked of resources, in order. */
  callsOf(id: BuildId): readonly string[] {
    return this.callsByBuild.get(String(id)) ?? [];
  }

  /** Sets a pipeline under a new name and gives its id. */
  async pipeline(
    yaml: string,
    instanceVars: JsonObject | null = null,
  ): Promise<{ id: number; config: PipelineConfig }> {
    const { config, problems } = parsePipeline(yaml);
    if (!config) throw new Error(problems.map((p) => `${p.path}: ${p.message}`).join('\n'));
    const [row] = await this.db.query<{ id: number }>(
      `with p as (
         insert into pipelines (team_id, name, instance_vars, config_version)
         select id, $1, $3, 1 from teams where name = 'main' returning id
       ), r as (
         insert into pipeline_revisions (pipeline_id, version, config) select id, 1, $2 from p
       ) select id from p`,
      [`p${this.pipelines++}`, JSON.stringify(config), instanceVars && JSON.stringify(instanceVars)],
    );
    for (const resource of config.resources ?? []) {
      await this.db.query(`insert into resources (pipeline_id, name, type, config) values ($1, $2, $3, $4)`, [
        row!.id,
        resource.name,
        resource.type,
        JSON.stringify(resource),
      ]);
    }
    for (const job of config.jobs) {
      await this.db.query(`insert into jobs (pipeline_id, name, config) values ($1, $2, $3)`, [
        row!.id,
        job.name,
        JSON.stringify(job),
      ]);
    }
    return { id: row!.id, config };
  }

  /**
   * Starts a build of the pipeline's first job, as the trigger loop does; every get has version `{ref: v1}`.
   * @param given values for the job's vars
   */
  async start(
    pipeline: { id: number; config: PipelineConfig },
    given: JsonObject = {},
  ): Promise<{ id: BuildId; plan: PlanNode }> {
    const job = pipeline.config.jobs[0]!;
    const defaults = (job.vars ?? []).flatMap(({ name, default: value }) =>
      value === undefined ? [] : [[name, value] as const],
    );
    const vars = { ...Object.fromEntries(defaults), ...given };
    const version: Version = { ref: 'v1' };
    const anyVersion = { get: () => version } as unknown as ReadonlyMap<string, Version>;
    const plan = makeBuildPlan(job, pipeline.config, anyVersion);
    const id = await this.db.tx(async (tx) => {
      const [row] = await tx.query<{ id: BuildId; job_id: JobId }>(
        `with job as (
           update jobs set next_build_number = next_build_number + 1 where pipeline_id = $1 and name = $2
           returning id, next_build_number - 1 as number
         )
         insert into builds (team_id, pipeline_id, job_id, name, status, started_at, plan, inputs_ready, vars)
         select p.team_id, p.id, job.id, job.number::text, 'started', now(), $3, true, nullif($4::jsonb, '{}') from job, pipelines p where p.id = $1
         returning id, job_id`,
        [pipeline.id, job.name, JSON.stringify(plan), JSON.stringify(vars)],
      );
      await tx.query(
        `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
         select $1, $2, r.name, r.id, r.id, $4, $5, true from resources r where r.pipeline_id = $3`,
        [row!.id, row!.job_id, pipeline.id, versionDigest(version), JSON.stringify(version)],
      );
      await appendEvents(tx, row!.id, [{ event: 'status', data: { status: 'started', time: 0 } }]);
      await notify(tx, 'builds', [row!.id]);
      return row!.id;
    });
    return { id, plan };
  }

  async status(id: BuildId): Promise<BuildStatus> {
    const [row] = await this.db.query<{ status: BuildStatus }>(`select status from builds where id = $1`, [id]);
    return row!.status;
  }

  events(id: BuildId): Promise<StoredEvent[]> {
    return this.db.query<StoredEvent>(`select seq, event, data from build_events where build_id = $1 order by seq`, [
      id,
    ]);
  }

  async finished(id: BuildId, deadlineMs?: number): Promise<BuildStatus> {
    await this.until(async () => isFinal(await this.status(id)), `the end of build ${id}`, deadlineMs);
    return this.status(id);
  }

  /** Waits for a condition. */
  async until(condition: () => Promise<boolean> | boolean, what: string, deadlineMs = 15_000): Promise<void> {
    const end = Date.now() + deadlineMs;
    while (!(await condition())) {
      if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** A type whose behaviour stands in the params: see {@link Behaviour}. */
  private resourceType(): ResourceType<Behaviour, Behaviour, Behaviour> {
    const behaviour = z.custom<Behaviour>();
    return {
      name: 'scripted',
      schema: { source: behaviour, getParams: behaviour, putParams: behaviour },
      check: async () => [],
      get: async (context, { params, version, dir }) => {
        const call = this.noteCall(context, `get ${version.ref}`);
        await this.behave(context, params, call);
        await writeFile(path.join(dir, 'ref'), version.ref ?? '');
        for (const [name, text] of Object.entries(params.files ?? {})) {
          await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
          await writeFile(path.join(dir, name), text.replaceAll('[[', '((').replaceAll(']]', '))')); // vars would be filled in before
        }
        return { version, metadata: Object.entries(params.metadata ?? {}).map(([name, value]) => ({ name, value })) };
      },
      put: async (context, { params, dir }) => {
        const call = this.noteCall(context, `put ${params.ref ?? 'v2'}`);
        if (params.list) context.log(`inputs: ${(await readdir(dir)).sort().join(' ')}\n`);
        await this.behave(context, params, call);
        const version: Version = params.empty ? {} : { ref: params.ref ?? 'v2' };
        return {
          version,
          metadata: [{ name: 'made', value: params.metadata?.made ?? 'yes' }],
        };
      },
    };
  }

  /** @returns how often the build has asked for this. */
  private noteCall({ env }: StepContext, what: string): number {
    const call = `${what}${env.BUILD_STATUS ? ` ${env.BUILD_STATUS}` : ''}`;
    const calls = this.callsByBuild.get(env.BUILD_ID ?? '') ?? [];
    this.callsByBuild.set(env.BUILD_ID ?? '', [...calls, call]);
    this.resourceCalls.push(call);
    return calls.filter((each) => each === call).length + 1;
  }

  private async behave(context: StepContext, b: Behaviour, call: number): Promise<void> {
    const { env, signal } = context;
    if (b.print) context.log(b.print);
    for (const name of b.env ?? []) context.log(`${name}=${env[name] ?? '(unset)'}\n`);
    if (b.fail && call <= (b.times ?? call)) throw new ResourceFailure(b.fail, 3);
    if (b.error && call <= (b.times ?? call)) throw new Error(b.error);
    signal.throwIfAborted();
    if (b.hang) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
  }
}

/** What a scripted get or put does. */
interface Behaviour {
  readonly print?: string;
  /** Names whose values it prints. */
  readonly env?: readonly string[];
  /** The resource says no; `error`: it breaks. With `times` only the first times that the build asks for it. */
  readonly fail?: string;
  readonly error?: string;
  readonly times?: number;
  readonly hang?: boolean;
  /** The version that a put makes, `v2` unless it is `empty`. */
  readonly ref?: string;
  readonly empty?: boolean;
  /** A put prints the names of its inputs. */
  readonly list?: boolean;
  /** What a get writes. Double square brackets become round ones. */
  readonly files?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Gates that tests open, by name: a `wait` program ends when its gate is open. */
export const gates = new Set<string>();

const PROGRAMS: Record<string, DummyProgram> = {
  ok: () => 0,
  fail: ({ spec }) => Number(spec.argv[1] ?? 1),
  print: (step) => {
    step.write(`${step.spec.argv.slice(1).join(' ')}\n`);
    return 0;
  },
  warn: (step) => {
    step.writeError(`${step.spec.argv.slice(1).join(' ')}\n`);
    return 0;
  },
  env: (step) => {
    for (const name of step.spec.argv.slice(1)) step.write(`${name}=${step.spec.env[name] ?? '(unset)'}\n`);
    return 0;
  },
  /** `write FILE TEXT [EXIT]` */
  write: (step) => {
    const [, file = '', text = '', exit = '0'] = step.spec.argv;
    step.writeFile(file, text);
    return Number(exit);
  },
  cat: async (step) => {
    for (const file of step.spec.argv.slice(1)) step.write(`${Buffer.from(await step.readFile(file)).toString()}\n`);
    return 0;
  },
  /** Says `ready` and stays until it is told to stop. */
  stay: (step) => {
    step.write('ready\n');
    return new Promise<number>(() => undefined);
  },
  /** As `stay`, but ignores TERM. */
  stubborn: (step) => {
    step.onSignal(() => step.write('no\n'));
    step.write('ready\n');
    return new Promise<number>(() => undefined);
  },
  /** Leaves with 0 on TERM. */
  polite: (step) =>
    new Promise<number>((resolve) => {
      step.onSignal(() => resolve(0));
      step.write('ready\n');
    }),
  /** Says `ready` and ends a little later, unless it is told to stop. */
  linger: async (step) => {
    step.write('ready\n');
    await new Promise((resolve) => setTimeout(resolve, 400));
    return 0;
  },
  /** Tells the folder in which it runs. */
  where: (step) => {
    step.write(`${path.basename(step.spec.dir ?? '')}\n`);
    return 0;
  },
  /** Tells as whom it runs. */
  whoami: (step) => {
    step.write(`${step.spec.user ?? ''}\n`);
    return 0;
  },
  /** `needs NAME`: fails unless the test has opened the gate. */
  needs: ({ spec }) => (gates.has(spec.argv[1] ?? '') ? 0 : 1),
  /** `gate NAME`: stays until the test opens the gate. */
  gate: async (step) => {
    const [, name = ''] = step.spec.argv;
    step.write(`at gate ${name}\n`);
    while (!gates.has(name)) await new Promise((resolve) => setTimeout(resolve, 3));
    step.write(`through gate ${name}\n`);
    return 0;
  },
};
