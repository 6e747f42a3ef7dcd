import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalJson, parseDurationMs, type JsonObject, type Version } from '../model/index.js';
import {
  claimImageCheck,
  endImageCheck,
  releaseCheckClaim,
  renewCheckClaim,
  type CheckClaim,
  type Db,
  type ImageCheck,
} from '../persistence/index.js';
import { messageOf, VERSION, type Clock, type Logger, type Settings } from '../platform/index.js';
import {
  cacheDirOf,
  configDigest,
  parseInput,
  type CheckContext,
  type ResourceType,
  type StepContext,
} from '../resources/index.js';
import type { ArtifactRef, ArtifactStore } from '../runtime/index.js';

/** A server that dies leaves its claims for this long. */
const LEASE_MS = 30_000;
/** How often somebody who waits for a running check looks again. */
const RETRY_MS = 200;

/** Begins the id of every artifact that is an image kept for its next use. */
export const IMAGE_PREFIX = 'image-';

/** Where an image comes from. Vars are filled and defaults are in. */
export interface ImageOrigin {
  readonly type: ResourceType;
  readonly source: JsonObject;
  readonly params: JsonObject;
  /** Whose it is, for errors. */
  readonly who: string;
}

/** Versions and files of images, each looked for once for everybody who needs it. */
export class TypeImages {
  /** Images that are being fetched here now. */
  private readonly fetches = new Map<string, Promise<ArtifactRef>>();
  private claims = 0;

  constructor(
    private readonly db: Db,
    private readonly artifacts: ArtifactStore,
    private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * The newest version, found by a check unless one of the same source was made lately. Waits for a check that runs.
   * @param checkEvery as in the pipeline: an interval, or `never` for a single check.
   * @param isAskedFor a check that began before this call will not do.
   * @throws what the check throws; Error when it has found nothing.
   */
  async newestVersion(
    origin: ImageOrigin,
    { checkEvery, isAskedFor }: { readonly checkEvery?: string | undefined; readonly isAskedFor?: boolean },
    context: CheckContext,
  ): Promise<Version> {
    const { who } = origin;
    const askedAt = this.clock.now().getTime();
    const usualAge =
      checkEvery === 'never' ? null : (parseDurationMs(checkEvery ?? '') ?? this.settings.checkIntervalMs);
    for (;;) {
      context.signal.throwIfAborted();
      const maxAgeMs = isAskedFor ? this.clock.now().getTime() - askedAt : usualAge;
      const state = await this.claim(origin, maxAgeMs);
      if (state.kind === 'fresh') return state.newest;
      if (state.kind === 'claimed') {
        const found = await this.check(origin, state.claim, context);
        if (!found) throw new Error(`the check of ${who} found no version`);
        return found;
      }
      await sleep(RETRY_MS, undefined, { signal: context.signal });
    }
  }

  private claim({ type, source }: Pick<ImageOrigin, 'type' | 'source'>, maxAgeMs: number | null): Promise<ImageCheck> {
    const name = `${this.settings.instanceId}:${this.settings.epoch}:${process.pid}:image-${++this.claims}`;
    const limits = { leaseMs: LEASE_MS, maxAgeMs };
    return this.db.tx((tx) => claimImageCheck(tx, configDigest(type.name, source), name, limits));
  }

  /** Saves what was found elsewhere, unless a check runs that finds the same. */
  async note(type: ResourceType, source: JsonObject, versions: readonly Version[]): Promise<void> {
    const state = await this.claim({ type, source }, 0);
    if (state.kind !== 'claimed') return;
    await this.db.tx((tx) => endImageCheck(tx, state.claim, { versions, error: null }));
  }

  private async check(
    { type, source, who }: ImageOrigin,
    claim: CheckClaim,
    context: CheckContext,
  ): Promise<Version | undefined> {
    const late = AbortSignal.timeout(this.settings.checkTimeoutMs);
    const renewal = setInterval(() => void this.renew(claim), LEASE_MS / 3);
    try {
      const parsed = parseInput(type.schema.source, source, `source of ${who}`);
      const version = claim.newest ?? undefined;
      const request = { source: parsed, ...(version === undefined ? {} : { version }) };
      const signal = AbortSignal.any([context.signal, late]);
      const versions = await type.check({ ...context, signal, cacheDir: await this.cacheDir(type, source) }, request);
      return await this.db.tx((tx) => endImageCheck(tx, claim, { versions, error: null }));
    } catch (error) {
      // Its text may hold secrets that only the caller knows; who needs the image tells them.
      if (context.signal.aborted) await this.db.tx((tx) => releaseCheckClaim(tx, claim));
      else await this.db.tx((tx) => endImageCheck(tx, claim, { versions: undefined, error: 'the check failed' }));
      throw late.aborted ? new Error(`the check of ${who} timed out`, { cause: error }) : error;
    } finally {
      clearInterval(renewal);
    }
  }

  private async renew(claim: CheckClaim): Promise<void> {
    try {
      await this.db.tx((tx) => renewCheckClaim(tx, claim, LEASE_MS));
    } catch (error) {
      this.log.warn({ historyId: claim.historyId, error: messageOf(error) }, 'claim of an image check not renewed');
    }
  }

  /**
   * The version's files: those fetched before, if they are still there, for whoever needs the same.
   * @throws what the get throws.
   */
  async fetch(origin: ImageOrigin, version: Version, context: StepContext): Promise<ArtifactRef> {
    const { type, source, params } = origin;
    // An image of the server itself is another one when the server is.
    const key = canonicalJson({ type: type.name, source, params, version, server: VERSION });
    const id = `${IMAGE_PREFIX}${createHash('sha256').update(key).digest('hex').slice(0, 40)}`;
    if (await this.artifacts.touch({ id })) return { id };
    const running = this.fetches.get(id);
    // The one that fetches may be interrupted; whoever waits for it then fetches itself.
    if (running)
      return await orAborted(
        running.catch(() => this.fetch(origin, version, context)),
        context.signal,
      );
    const fetching = this.fetchNow(id, origin, version, context);
    this.fetches.set(id, fetching);
    try {
      return await fetching;
    } finally {
      this.fetches.delete(id);
    }
  }

  private async fetchNow(
    id: string,
    origin: ImageOrigin,
    version: Version,
    context: StepContext,
  ): Promise<ArtifactRef> {
    const { type, who } = origin;
    const source = parseInput(type.schema.source, origin.source, `source of ${who}`);
    const params = parseInput(type.schema.getParams, origin.params, `params of ${who}`);
    const words = Object.entries(version).map(([key, value]) => `${key}: ${value}`);
    context.log(`fetching ${who}: ${words.join(', ')}\n`);
    const own = { ...context, cacheDir: await this.cacheDir(type, origin.source) };
    return this.artifacts.create(id, async (dir) => void (await type.get(own, { source, params, version, dir })));
  }

  private async cacheDir({ name }: ResourceType, source: JsonObject): Promise<string> {
    const dir = cacheDirOf(this.settings.dataDir, name, source);
    await mkdir(dir, { recursive: true });
    return dir;
  }
}

async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
