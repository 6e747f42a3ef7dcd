import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ServerProcess } from './server-process.js';
import { createTestDb, type TestDb } from './test-db.js';

export interface BuildView {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly start_time?: number;
  readonly end_time?: number;
}

/** A running server on a database of its own, and the calls that end-to-end tests make of it. */
export class TeamServer {
  private constructor(
    readonly process: ServerProcess,
    readonly database: TestDb,
    readonly folder: string,
  ) {}

  static async start(env: Readonly<Record<string, string>> = {}): Promise<TeamServer> {
    const database = await createTestDb();
    const folder = mkdtempSync(path.join(os.tmpdir(), 'weir-e2e-'));
    const process = new ServerProcess({
      dataDir: path.join(folder, 'data'),
      env: { WEIR_DATABASE_URL: database.url, WEIR_CHECK_INTERVAL: '300ms', ...env },
    });
    const server = new TeamServer(process, database, folder);
    await process.start();
    return server;
  }

  async stop(): Promise<void> {
    await this.process.stop();
    await this.database.drop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Sets the pipeline and lets it run. */
  async setPipeline(name: string, yaml: string): Promise<void> {
    await this.process.request('PUT', `${pipelinePath(name)}/config`, yaml, 'application/x-yaml');
    await this.put(`${pipelinePath(name)}/unpause`);
  }

  put(route: string, body?: unknown): Promise<unknown> {
    return this.process.request('PUT', route, body);
  }

  get<Body>(route: string): Promise<Body> {
    return this.process.request<Body>('GET', route);
  }

  /** Newest first. */
  builds(pipeline: string, job: string): Promise<BuildView[]> {
    return this.get(`${pipelinePath(pipeline)}/jobs/${job}/builds?limit=1000`);
  }

  async inputsOf(build: BuildView): Promise<Record<string, Record<string, string>>> {
    const { inputs } = await this.get<{ inputs: { name: string; version: Record<string, string> }[] }>(
      `/api/v1/builds/${build.id}/resources`,
    );
    return Object.fromEntries(inputs.map((input) => [input.name, input.version]));
  }

  /** The build's output and error lines, in order. */
  async logOf(build: { id: number }): Promise<string> {
    const rows = await this.database.db.query<{ text: string }>(
      `select coalesce(data->>'payload', data->>'message' || E'\\n') as text from build_events
       where build_id = $1 and event in ('log', 'error') order by seq`,
      [build.id],
    );
    return rows.map((row) => row.text).join('');
  }

  /** Waits until the job's builds, newest first, are as wanted. @throws with what was there when time is up. */
  untilBuilds(
    pipeline: string,
    job: string,
    wanted: (builds: BuildView[]) => boolean,
    withinMs = 30_000,
  ): Promise<BuildView[]> {
    return until(() => this.builds(pipeline, job), wanted, `builds of ${pipeline}/${job}`, withinMs);
  }

  /** Waits for the newest build of the job to end. */
  async untilNewestEnds(pipeline: string, job: string, withinMs = 30_000): Promise<BuildView> {
    const [newest] = await this.untilBuilds(pipeline, job, ([b]) => b?.end_time !== undefined, withinMs);
    return newest!;
  }
}

export const pipelinePath = (name: string): string => `/api/v1/teams/main/pipelines/${name}`;

/** Reads until the value is as wanted. @throws with the last value when time is up. */
export async function until<Value>(
  read: () => Promise<Value>,
  wanted: (value: Value) => boolean,
  what: string,
  withinMs = 30_000,
): Promise<Value> {
  const end = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (wanted(value)) return value;
    if (Date.now() > end) throw new Error(`${what}: not as wanted after ${withinMs} ms: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
