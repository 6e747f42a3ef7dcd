import 'reflect-metadata';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createHttpAdapter } from './api/index.js';
import { AppModule } from './app.module.js';
import { AccountsService, AuthService } from './auth/index.js';
import { createExample } from './example.js';
import { startEmbeddedPostgres } from './persistence/embedded/index.js';
import { Db, migrateDatabase, NotificationListener } from './persistence/index.js';
import { SourcesService } from './pipelines/index.js';
import {
  createLogger,
  localUrl,
  mainTeamOwners,
  nestLogger,
  openDataFolder,
  Settings,
  systemClock,
  UserError,
  type Logger,
  type SourceSetting,
} from './platform/index.js';

const FIRST_TEAM = 'main';

export { exampleIsGreen } from './example.js';

/** A server that answers. */
export interface Server {
  readonly url: string;
  /** Only at the first start of a database; it cannot be shown again. */
  readonly firstLogin: { readonly name: string; readonly password: string } | undefined;
  /** The folder of the example, if this start made it. */
  readonly exampleDir: string | undefined;
  readonly app: NestFastifyApplication;
  /** Takes no more requests, lets every loop finish its round, gives back what is leased and stops PostgreSQL. */
  stop(): Promise<void>;
}

/** Things that were opened, closed in the opposite order. */
class Opened {
  private readonly closers: (() => Promise<unknown>)[] = [];

  add(close: () => Promise<unknown>): void {
    this.closers.unshift(close);
  }

  /** Closes everything, whatever fails on the way. @throws the first failure, after everything was tried. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.closers.splice(0)) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}

/**
 * Starts everything, from the lock of the data folder to the open port. Nothing is left running when it throws.
 * @param say hears each step as it begins.
 * @throws UserError when it cannot start for a reason that its operator can mend.
 */
export async function startServer(wanted: Settings, say: (progress: string) => void): Promise<Server> {
  const log = createLogger(wanted.logLevel);
  const opened = new Opened();
  try {
    return await open(wanted, log, opened, say);
  } catch (error) {
    await opened.close().catch((failure: unknown) => log.error({ error: failure }, 'could not stop cleanly'));
    throw error;
  }
}

async function open(wanted: Settings, log: Logger, opened: Opened, say: (progress: string) => void): Promise<Server> {
  const folder = await openDataFolder(wanted.dataDir, systemClock);
  opened.add(() => folder.release());
  const databaseUrl = wanted.databaseUrl || (await startDatabase(folder.dir, log, opened, say));
  await migrateDatabase(databaseUrl);
  const settings = new Settings({ ...wanted, databaseUrl, instanceId: folder.instanceId, epoch: folder.epoch });

  const db = await Db.connect(databaseUrl);
  opened.add(() => db.close());
  const listener = new NotificationListener(databaseUrl, log);
  await listener.start();
  opened.add(() => listener.stop());

  say('starting the server');
  const root = AppModule.on({ settings, log, clock: systemClock, db, listener });
  const app = await NestFactory.create<NestFastifyApplication>(root, createHttpAdapter(settings), {
    logger: nestLogger(log),
    abortOnError: false,
    bodyParser: false, // the adapter brings its own
  });
  opened.add(() => app.close());
  await app.get(AccountsService).applySettings();
  const port = await listen(app, settings);
  await ensureSources(app.get(SourcesService), settings.sources);
  const exampleDir = settings.hasExample ? await createExample(app, folder.dir) : undefined;
  // Last, as its password can be shown only by this start.
  const firstLogin = isOwnedFromElsewhere(settings) ? undefined : await app.get(AuthService).createFirstUser();
  return { url: localUrl(settings.bindAddress, port), firstLogin, exampleDir, app, stop: () => opened.close() };
}

/** Does the operator leave team main to users of a provider, so that it takes no first user? */
function isOwnedFromElsewhere(settings: Settings): boolean {
  const { users, groups } = mainTeamOwners(settings);
  return groups.length > 0 || users.some((user) => !user.startsWith('local:'));
}

/** Makes the sources of the command line, or gives those that are there what it says. */
async function ensureSources(service: SourcesService, wanted: readonly SourceSetting[]): Promise<void> {
  if (wanted.length === 0) return;
  const known = (await service.listSources(FIRST_TEAM)).map(({ name }) => name);
  for (const { name, uri, branch, glob } of wanted) {
    const request = { teamName: FIRST_TEAM, name, uri, ...(glob === undefined ? {} : { pathGlob: glob }) };
    if (known.includes(name)) await service.updateSource({ ...request, branch: branch ?? null });
    else await service.createSource({ ...request, ...(branch === undefined ? {} : { branch }) });
  }
}

async function startDatabase(
  dataDir: string,
  log: Logger,
  opened: Opened,
  say: (progress: string) => void,
): Promise<string> {
  say('starting PostgreSQL');
  const postgres = await startEmbeddedPostgres(path.join(dataDir, 'postgres'), { log });
  opened.add(() => postgres.stop());
  return postgres.url;
}

/** @returns the port, which the system chose if 0 was asked for. @throws UserError when it cannot be had. */
async function listen(app: NestFastifyApplication, { bindAddress, port }: Settings): Promise<number> {
  try {
    await app.init();
    // Not app.listen, which would log the error as well.
    await app.getHttpAdapter().getInstance().listen({ port, host: bindAddress });
  } catch (error) {
    throw listenRefused(error as NodeJS.ErrnoException, bindAddress, port);
  }
  const address = app.getHttpServer().address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

function listenRefused(error: NodeJS.ErrnoException, bindAddress: string, port: number): Error {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} of ${bindAddress} is in use by another program; stop that one, or choose another: --port ${port + 1}`,
    EACCES: `port ${port} needs more rights than this user has; choose one above 1023: --port 8080`,
    EADDRNOTAVAIL: `${bindAddress} is no address of this machine; choose another --bind`,
    ENOTFOUND: `${bindAddress} is no address of this machine; choose another --bind`,
  };
  const reason = reasons[error.code ?? ''];
  return reason === undefined ? error : new UserError('cannot-listen', reason);
}
