import 'reflect-metadata';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createHttpAdapter } from '../../src/api/index.js';
import { AppModule } from '../../src/app.module.js';
import { AccountsService, AuthService } from '../../src/auth/index.js';
import { NotificationListener } from '../../src/persistence/index.js';
import { createLogger, Settings, systemClock } from '../../src/platform/index.js';
import { watchConformance } from './conformance.js';
import { createTestDb, type TestDb } from './test-db.js';

/** The whole server as it is composed, over HTTP on a free port, with a database of its own and a logged-in first user. */
export class ApiServer {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly database: TestDb,
    private readonly listener: NotificationListener,
    readonly url: string,
    readonly login: { readonly name: string; readonly password: string },
    readonly token: string,
    /** Every route that is served, as `METHOD /path/:param`. */
    readonly routes: readonly string[],
    private readonly dataDir: string,
    /** Where answers were not as the API's document says. */
    readonly untrue: ReadonlySet<string>,
  ) {}

  static async start(settings: Partial<Settings> = {}): Promise<ApiServer> {
    const database = await createTestDb();
    const log = createLogger(process.env.WEIR_TEST_LOG ?? 'silent');
    const listener = new NotificationListener(database.url, log);
    await listener.start();
    const dataDir = mkdtempSync(path.join(os.tmpdir(), 'weir-api-'));
    const all = new Settings({
      dataDir,
      instanceId: 'test',
      epoch: 1,
      gitLocalPaths: 'allow',
      // Tests hand files to steps through the host's folders; sandboxes have tests of their own.
      runtime: 'host',
      isolation: 'none',
      externalUrl: 'https://ci.example/weir',
      ...settings,
    });
    const root = AppModule.on({ settings: all, log, clock: systemClock, db: database.db, listener });
    try {
      return await ApiServer.serve(root, all, database, listener);
    } catch (error) {
      await listener.stop();
      await database.drop();
      throw error;
    }
  }

  private static async serve(
    root: DynamicModule,
    all: Settings,
    database: TestDb,
    listener: NotificationListener,
  ): Promise<ApiServer> {
    const adapter = createHttpAdapter(all);
    const routes: string[] = [];
    adapter.getInstance().addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD' && one !== 'OPTIONS') routes.push(`${one} ${url}`);
    });
    const untrue = new Set<string>();
    watchConformance(adapter.getInstance(), untrue);
    const app = await NestFactory.create<NestFastifyApplication>(root, adapter, {
      logger: ['error'],
      abortOnError: false,
    });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as { port: number };
    const auth = app.get(AuthService);
    await app.get(AccountsService).applySettings();
    const login = (await auth.createFirstUser()) ?? all.localUsers[0]!;
    const { token } = await auth.login(login.name, login.password);
    return new ApiServer(
      app,
      database,
      listener,
      `http://127.0.0.1:${port}`,
      login,
      token,
      routes,
      all.dataDir,
      untrue,
    );
  }

  /** @throws when an answer was not as the API's document says: every test of the API is also one of the document. */
  async stop(): Promise<void> {
    await this.app.close();
    await this.listener.stop();
    await this.database.drop();
    // What the server let go of may still write a moment.
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    if (this.untrue.size > 0)
      throw new Error(
        `answers that the API's document (src/api/openapi) does not have:\n${[...this.untrue].join('\n')}`,
      );
  }

  /** One request with the token; objects travel as JSON, texts as YAML. */
  async fetch(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const type = typeof body === 'string' ? 'application/x-yaml' : 'application/json';
    return fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** As {@link fetch}, for answers that must be 2xx. @returns the JSON, undefined for an empty body. */
  async ask<Body = unknown>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.fetch(method, path, body);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as Body;
  }
}
