import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Optional, type OnApplicationBootstrap } from '@nestjs/common';
import type { JsonObject, ResourceId, TypeChain, Version } from '../model/index.js';
import {
  anyHistoryOf,
  checkFailures,
  checkTarget,
  claimCheck,
  Db,
  endCheck,
  ensureHistory,
  forgetWatchedJob,
  releaseCheckClaim,
  releaseCheckClaimsOf,
  renewCheckClaim,
  type CheckClaim,
  type CheckTarget,
} from '../persistence/index.js';
import { CredentialsService } from '../credentials/index.js';
import { CustomTypes } from '../custom-types/index.js';
import { Redactor, secretsIn } from '../events/index.js';
import {
  CLOCK,
  ConflictError,
  LOGGER,
  messageOf,
  Metrics,
  NotFoundError,
  Settings,
  type Clock,
  type Counter,
  type Logger,
} from '../platform/index.js';
import { typedSource } from '../planner/index.js';
import {
  cacheDirOf,
  configDigest,
  parseInput,
  ResourceTypeRegistry,
  serverDoor,
  type ResourceType,
} from '../resources/index.js';
import { checkIntervalMs, checkTimeoutMs, nextCheckDelayMs } from './check-timing.js';
import { CHECK_BOUNDS, runBounded } from './run-bounded.js';
import { shareCheck, type CheckResult } from './share-check.js';

/** A server that dies leaves its claims for this long. */
const LEASE_MS = 30_000;
/** How often somebody who waits for a running check looks again. */
const RETRY_MS = 200;

export interface CheckOptions {
  /** Start here instead of at the pin or the newest known version. */
  readonly from?: Version;
  /** Look for no newer images of its types. */
  readonly shallow?: boolean;
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
  /** Do not check if a check that began after this moment (Unix time in milliseconds) has answered for the resource. */
  readonly unlessSinceMs?: number;
  /** Hears, before anything is logged, what must not be seen. */
  readonly hide?: (secrets: readonly string[]) => void;
}

/** `busy`: the same source is being checked, or its host has enough checks. */
export type CheckOutcome = { readonly kind: 'busy' } | { readonly kind: 'done'; readonly versions: readonly Version[] };

/** A resource whose vars are filled in, ready to be checked. */
export interface ReadyTarget extends CheckTarget {
  /** The type's defaults are in it. */
  readonly source: JsonObject;
  /** The pipeline's own types that its type is made of; none for a type of the server. */
  readonly chain: TypeChain;
  /** Somebody has asked for the check: an image of a type that was found before will not do. */
  readonly isAskedFor?: boolean;
  readonly secrets: readonly string[];
  /** Why the vars could not be filled in; the check fails with it. */
  readonly fault?: Error;
}

interface Evaluated {
  readonly type: ResourceType;
  readonly source: JsonObject;
  readonly digest: string;
  readonly host: string | undefined;
}

/**
 * Checks one resource: claims its history, runs its type's check within bounds, saves what was found. Any number of servers
 * may try at once; one check per identical source runs at a time.
 */
@Injectable()
export class Checker implements OnApplicationBootstrap {
  private readonly checksOfHost = new Map<string, number>();
  /** Digests of the sources that this server checks now. */
  private readonly sources = new Set<string>();
  private claims = 0;
  private readonly outcomes: Counter<'outcome'>;
  private readonly shared: Counter;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(ResourceTypeRegistry) private readonly types: Pick<ResourceTypeRegistry, 'get'>,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(Metrics) metrics: Metrics,
    @Inject(CredentialsService) private readonly credentials: Pick<CredentialsService, 'fill'>,
    @Optional() @Inject(CustomTypes) private readonly customTypes?: Pick<CustomTypes, 'typeOf'>,
  ) {
    this.outcomes = metrics.counter('weir_checks_total', 'Checks of resources that ended.', ['outcome']);
    this.shared = metrics.counter(
      'weir_checks_shared_total',
      'Checks that were saved because one of the same source has answered for them.',
    );
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.settings.instanceId !== '')
      await this.db.tx((tx) => releaseCheckClaimsOf(tx, `${this.settings.instanceId}:`));
  }

  /**
   * The check of a check build: waits until no other check of the source runs, then checks; unless one that began
   * meanwhile has answered for this resource, too.
   * @returns what the check found, oldest first; nothing when it was another's.
   * @throws ResourceFailure when the resource says no; ConflictError when it is paused.
   */
  async runCheck(id: ResourceId, options: CheckOptions): Promise<readonly Version[]> {
    for (let sinceMs: number | undefined; ;) {
      const target = await checkTarget(this.db, id);
      if (!target) throw new NotFoundError(`there is no resource ${id}`);
      if (target.isStopped)
        throw new ConflictError(
          'resource-paused',
          `resource "${target.config.name}" or its pipeline is paused or archived: it gets no new versions by a check`,
        );
      sinceMs ??= target.nowMs;
      if (options.from === undefined && target.checkedSinceMs !== null && target.checkedSinceMs >= sinceMs) {
        options.log('a check of the same source has just answered for this resource\n');
        return [];
      }
      const ready = { ...(await this.prepare(target)), isAskedFor: !options.shallow };
      const outcome = await this.tryCheck(ready, { ...options, ...(!options.from && { unlessSinceMs: sinceMs }) });
      if (outcome.kind === 'done') return outcome.versions;
      await this.attach(ready);
      await sleep(RETRY_MS, undefined, { signal: options.signal });
    }
  }

  /** Fills the vars of the source. Never throws: a fault is the check's. */
  async prepare(target: CheckTarget): Promise<ReadyTarget> {
    const { source: written, resourceTypes: types = [] } = typedSource(target.config, target.resourceTypes);
    try {
      const { value, secrets } = await this.credentials.fill({ source: written, chain: types }, target);
      const { source, chain } = value;
      const hidden = [...secrets, ...secretsIn(source), ...chain.flatMap((type) => secretsIn(type.source))];
      return { ...target, source, chain, secrets: hidden };
    } catch (error) {
      const fault = error instanceof Error ? error : new Error(messageOf(error));
      return { ...target, source: written, chain: types, secrets: [], fault };
    }
  }

  /** Checks now or not at all. @throws what {@link runCheck} throws; the failure is saved with the history before. */
  async tryCheck(target: ReadyTarget, options: CheckOptions): Promise<CheckOutcome> {
    let evaluated: Evaluated;
    options.hide?.(target.secrets);
    try {
      evaluated = this.evaluate(target);
    } catch (error) {
      await this.saveRefusal(target, error);
      throw error;
    }
    if (!this.hasRoomFor(evaluated)) return { kind: 'busy' };
    this.enter(evaluated);
    try {
      const claim = await this.claim(target, evaluated.digest, options.unlessSinceMs);
      if (!claim) return { kind: 'busy' };
      return { kind: 'done', versions: await this.checkClaimed(target, evaluated, claim, options) };
    } finally {
      this.leave(evaluated);
    }
  }

  /** Would {@link tryCheck} begin, as far as this server knows? Asked before one of its few places is given away. */
  canBegin(target: ReadyTarget): boolean {
    try {
      return this.hasRoomFor(this.evaluate(target));
    } catch {
      return true; // the check will tell what is wrong
    }
  }

  /**
   * Points the resource at the history of its config while a check of the same source runs, so that this one can answer for
   * it. A resource that cannot be evaluated is left as it is.
   */
  async attach(target: ReadyTarget): Promise<void> {
    let digest: string;
    try {
      digest = this.evaluate(target).digest;
    } catch {
      return; // the check will tell what is wrong
    }
    if (digest !== target.configDigest) await this.db.tx((tx) => ensureHistory(tx, target.resourceId, digest));
  }

  private hasRoomFor({ host, digest }: Evaluated): boolean {
    if (this.sources.has(digest)) return false;
    return host === undefined || (this.checksOfHost.get(host) ?? 0) < this.settings.checksPerHost;
  }

  private enter({ host, digest }: Evaluated): void {
    this.sources.add(digest);
    if (host !== undefined) this.checksOfHost.set(host, (this.checksOfHost.get(host) ?? 0) + 1);
  }

  private leave({ host, digest }: Evaluated): void {
    this.sources.delete(digest);
    if (host === undefined) return;
    const left = (this.checksOfHost.get(host) ?? 1) - 1;
    if (left > 0) this.checksOfHost.set(host, left);
    else this.checksOfHost.delete(host);
  }

  /** @throws UserError when vars are undefined, the type is unknown or the source is refused by it. */
  private evaluate({ config, chain, source, fault, isAskedFor }: ReadyTarget): Evaluated {
    if (fault !== undefined) throw fault;
    const type = chain.length > 0 ? this.customType(chain, isAskedFor ?? false) : this.types.get(config.type);
    const parsed = parseInput(type.schema.source, source, `source of resource "${config.name}"`);
    return { type, source, digest: configDigest(type.name, source), host: type.hostOf?.(parsed) };
  }

  private customType(chain: TypeChain, isAskedFor: boolean): ResourceType {
    if (!this.customTypes) throw new Error('this server runs no types that are images');
    return this.customTypes.typeOf(chain, isAskedFor);
  }

  private async claim(target: CheckTarget, digest: string, unlessSinceMs?: number): Promise<CheckClaim | undefined> {
    const claim = `${this.settings.instanceId}:${this.settings.epoch}:${process.pid}:${++this.claims}`;
    return this.db.tx(async (tx) => {
      const claimed = await claimCheck(tx, target.resourceId, digest, claim, LEASE_MS, unlessSinceMs);
      if (claimed && target.isWatchingJob) await forgetWatchedJob(tx, target.resourceId, claimed.historyId);
      return claimed;
    });
  }

  private async checkClaimed(
    target: ReadyTarget,
    evaluated: Evaluated,
    claim: CheckClaim,
    options: CheckOptions,
  ): Promise<readonly Version[]> {
    const lost = new AbortController();
    const renewal = setInterval(() => void this.renew(claim, lost), LEASE_MS / 3);
    const start = options.from ?? target.pin ?? claim.newest ?? undefined;
    const share = evaluated.type.uniqueHistory !== true;
    try {
      const signal = AbortSignal.any([options.signal, lost.signal]);
      const versions = await this.run(target, evaluated, start, { signal, log: options.log });
      await this.end({ target, claim, start, versions, error: null }, share);
      return versions;
    } catch (error) {
      if (options.signal.aborted) await this.db.tx((tx) => releaseCheckClaim(tx, claim));
      else await this.end({ target, claim, start, versions: undefined, error: textOf(error, target) }, share);
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  private async run(
    target: CheckTarget,
    { type, source }: Evaluated,
    version: Version | undefined,
    context: Pick<CheckOptions, 'signal' | 'log'>,
  ): Promise<readonly Version[]> {
    const { config } = target;
    const cacheDir = cacheDirOf(this.settings.dataDir, type.name, source);
    await mkdir(cacheDir, { recursive: true });
    const parsed = parseInput(type.schema.source, source, `source of resource "${config.name}"`);
    const bounds = { ...CHECK_BOUNDS, timeoutMs: checkTimeoutMs(config, this.settings.checkTimeoutMs) };
    const now = (): Date => this.clock.now();
    const request = { source: parsed, ...(version === undefined ? {} : { version }) };
    const env = this.envOf(target);
    const { tags } = config;
    const server = serverDoor(this.db, this.settings, target);
    const own = { cacheDir, now, env, server, resourceId: target.resourceId, ...(tags ? { tags } : {}) };
    return runBounded((bounded) => type.check({ ...bounded, ...own }, request), bounds, context);
  }

  /** What is known of a check that belongs to no build. */
  private envOf({ teamName, pipelineId, pipelineName }: CheckTarget): Record<string, string> {
    return {
      BUILD_TEAM_NAME: teamName,
      BUILD_PIPELINE_ID: String(pipelineId),
      BUILD_PIPELINE_NAME: pipelineName,
      ATC_EXTERNAL_URL: this.settings.externalUrl,
    };
  }

  private async end(ended: CheckResult, share: boolean): Promise<void> {
    const { target, claim, versions, error } = ended;
    const failures = versions ? 0 : (await checkFailures(this.db, claim.historyId)) + 1;
    const intervalMs = checkIntervalMs(target.config, this.settings.checkIntervalMs);
    const nextDelayMs = nextCheckDelayMs(intervalMs, failures, this.clock.random());
    const checkEvery = target.config.check_every ?? null;
    if (share) await this.share(ended);
    await this.db.tx((tx) => endCheck(tx, target.resourceId, claim, { versions, error, nextDelayMs, checkEvery }));
    this.outcomes.inc({ outcome: versions ? 'succeeded' : 'failed' });
  }

  /** The check stands whatever happens here: whoever it does not reach is checked by itself. */
  private async share(ended: CheckResult): Promise<void> {
    const timing = { defaultIntervalMs: this.settings.checkIntervalMs, random: () => this.clock.random() };
    try {
      this.shared.inc(await shareCheck(this.db, ended, timing));
    } catch (error) {
      this.log.warn({ historyId: ended.claim.historyId, error: messageOf(error) }, 'check not shared');
    }
  }

  /** A resource that cannot be checked at all says why, and is tried again as after any failed check. */
  private async saveRefusal(target: ReadyTarget, error: unknown): Promise<void> {
    const digest = await this.db.tx((tx) => anyHistoryOf(tx, target.resourceId));
    const claim = await this.claim(target, digest);
    const ended = { target, start: undefined, versions: undefined, error: textOf(error, target) };
    if (claim) await this.end({ ...ended, claim }, false);
  }

  private async renew(claim: CheckClaim, lost: AbortController): Promise<void> {
    try {
      if (await this.db.tx((tx) => renewCheckClaim(tx, claim, LEASE_MS))) return;
      lost.abort(new Error('another server took the check over'));
    } catch (error) {
      this.log.warn({ historyId: claim.historyId, error: messageOf(error) }, 'check claim not renewed');
    }
  }
}

/** What went wrong with a check, without the secrets of its source. */
export function textOf(error: unknown, { secrets }: ReadyTarget): string {
  return new Redactor(secrets).redact(messageOf(error));
}
