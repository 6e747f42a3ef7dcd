import { createHash, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { didYouMean, type JsonObject } from '../../model/index.js';
import {
  Db,
  deleteSource,
  findSource,
  findSources,
  findTeamId,
  insertSource,
  markSyncRequested,
  notify,
  updateSource,
  type SourceRow,
  type SourceSettings,
} from '../../persistence/index.js';
import { ConflictError, NotFoundError, Settings, UserError } from '../../platform/index.js';
import { checkSettings } from './check-settings.js';
import type {
  CreateSourceRequest,
  PipelineSource,
  SourceCredentials,
  SourceRef,
  SyncError,
  UpdateSourceRequest,
} from './types.js';

/** Pipeline sources: git repositories whose files are pipelines. */
@Injectable()
export class SourcesService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  /**
   * The first sync follows at once, in the background.
   * @throws ConflictError `source-exists`; UserError `invalid-source` for settings that cannot work.
   */
  async createSource(request: CreateSourceRequest): Promise<PipelineSource> {
    const { teamName, name } = request;
    const settings = merge(undefined, request);
    checkSettings(name, settings);
    await this.db.tx(async (tx) => {
      const teamId = await findTeamId(tx, teamName);
      if (teamId === undefined) throw new NotFoundError(`there is no team '${teamName}'`);
      const id = await insertSource(tx, teamId, name, settings);
      if (id === undefined)
        throw new ConflictError('source-exists', `team '${teamName}' has a source '${name}' already`);
      await notify(tx, 'sources', [id]);
    });
    return this.getSource(request);
  }

  /** Absent fields stay. A sync with the new settings follows at once. */
  async updateSource(request: UpdateSourceRequest): Promise<PipelineSource> {
    await this.db.tx(async (tx) => {
      const source = await this.find(request);
      const settings = merge(source, request);
      checkSettings(source.name, settings);
      await updateSource(tx, source.id, settings);
      await notify(tx, 'sources', [source.id]);
    });
    return this.getSource(request);
  }

  /** @throws NotFoundError naming a near name. */
  async getSource(ref: SourceRef): Promise<PipelineSource> {
    return toSource(await this.find(ref));
  }

  /** Of one team or of all, by name. */
  async listSources(teamName?: string): Promise<PipelineSource[]> {
    return (await findSources(this.db, teamName)).map(toSource);
  }

  /** Its pipelines stay as they are and are no longer synced. */
  async removeSource(ref: SourceRef): Promise<void> {
    const { id } = await this.find(ref);
    await this.db.tx((tx) => deleteSource(tx, id));
    await rm(join(this.settings.dataDir, 'sources', String(id)), { recursive: true, force: true, maxRetries: 3 });
  }

  /** Syncs soon, reading the files even if the commit is known. */
  async requestSync(ref: SourceRef): Promise<void> {
    const { id } = await this.find(ref);
    await this.db.tx(async (tx) => {
      await markSyncRequested(tx, id);
      await notify(tx, 'sources', [id]);
    });
  }

  /**
   * As {@link requestSync}, for someone who knows the source's webhook token and nothing else.
   * @throws UserError `webhook-refused` (401), the same for an unknown source and a wrong token.
   */
  async acceptWebhook(ref: SourceRef, token: string): Promise<void> {
    const source = await findSource(this.db, ref.teamName, ref.name);
    const expected = Buffer.from(source?.webhookDigest ?? digestOf(''), 'hex');
    const isRight = timingSafeEqual(expected, Buffer.from(digestOf(token), 'hex'));
    if (!source?.webhookDigest || !isRight) {
      throw new UserError('webhook-refused', 'unknown source or wrong webhook token', 401);
    }
    await this.requestSync(ref);
  }

  private async find({ teamName, name }: SourceRef): Promise<SourceRow> {
    const source = await findSource(this.db, teamName, name);
    if (source) return source;
    const known = (await findSources(this.db, teamName)).map((other) => other.name);
    throw new NotFoundError(`team '${teamName}' has no source '${name}'${didYouMean(name, known)}`);
  }
}

const DEFAULT_GLOB = 'pipeline.yml';
const DEFAULT_INTERVAL_SECONDS = 60;

function merge(present: SourceRow | undefined, request: UpdateSourceRequest): SourceSettings {
  const { webhookToken, credentials, branch } = request;
  return {
    uri: request.uri ?? present?.uri ?? '',
    branch: branch === undefined ? (present?.branch ?? null) : branch,
    pathGlob: request.pathGlob ?? present?.pathGlob ?? DEFAULT_GLOB,
    credentials: credentials === undefined ? (present?.credentials ?? {}) : ((credentials ?? {}) as JsonObject),
    vars: request.vars ?? present?.vars ?? {},
    intervalSeconds: request.intervalSeconds ?? present?.intervalSeconds ?? DEFAULT_INTERVAL_SECONDS,
    webhookDigest:
      webhookToken === undefined ? (present?.webhookDigest ?? null) : webhookToken && digestOf(webhookToken),
  };
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function toSource(row: SourceRow): PipelineSource {
  const { credentials, webhookDigest, branch, lastSyncedAt, lastCommit, lastError, failures: _failures, ...rest } = row;
  const { private_key: key, password } = credentials as SourceCredentials;
  return {
    ...rest,
    credentialKind: key !== undefined ? 'private_key' : password !== undefined ? 'password' : 'none',
    hasWebhook: webhookDigest !== null,
    ...(branch === null ? {} : { branch }),
    ...(lastSyncedAt === null ? {} : { lastSyncedAt }),
    ...(lastCommit === null ? {} : { lastCommit }),
    ...(lastError === null ? {} : { lastError: lastError as SyncError }),
  };
}
