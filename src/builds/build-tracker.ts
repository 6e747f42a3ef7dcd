import { Inject, Injectable, Optional, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { BuildId, FinalStatus } from '../model/index.js';
import {
  Db,
  NotificationListener,
  allTaskCacheIds,
  artifactsInUse,
  buildsWithContainers,
  claimBuilds,
  endedBuilds,
  forgetEndedTaskCaches,
  forgetExpiredArtifacts,
  heldLeases,
  isDatabaseUnavailable,
  knownRefs,
  releaseLeases,
  renewLeases,
  type LeaseHolder,
} from '../persistence/index.js';
import {
  CLOCK,
  LOGGER,
  LoopRunner,
  Metrics,
  Settings,
  messageOf,
  type Clock,
  type Counter,
  type Logger,
  type Loop,
} from '../platform/index.js';
import { CustomTypes } from '../custom-types/index.js';
import { PipelinesService } from '../pipelines/index.js';
import { ResourceTypeRegistry } from '../resources/index.js';
import { ARTIFACTS, RUNTIME, RuntimePool, type ArtifactStore, type Runtime } from '../runtime/index.js';
import { BuildRun, type EngineParts } from './build-run.js';
import { buildOfHandle, isUpload, taskCacheKey } from './handle.js';
import { RunSuspended } from './outcome.js';
import { Places } from './server-runtimes.js';
import { CHECK_RUNNER, CREDENTIALS, type CheckRunner, type CredentialSource } from './ports.js';
import { walkStep } from './walk-step.js';

const TICK_MS = 5_000;
/** A server that is gone loses its builds to others after this time; its own next start takes them back at once. */
const LEASE_MS = 30_000;
const MAX_BUILDS = 500;
/** A build whose journal refuses a write this often for a reason of its own is ended as errored. */
const MAX_FAULTS = 3;
const SWEEP_EVERY_MS = 60_000;

/**
 * The engine's loop: takes started builds by lease, runs each, renews the leases, passes aborts on. Guarantees stand in the
 * journal (see docs/adr/0004-journal-and-leases.md); this only keeps things moving.
 */
@Injectable()
export class BuildTracker implements Loop, OnApplicationBootstrap, OnApplicationShutdown {
  readonly name = 'builds';
  readonly tickMs = TICK_MS;
  private readonly holder: LeaseHolder;
  private readonly parts: EngineParts;
  private readonly runner: LoopRunner;
  private readonly finished: Counter<'kind' | 'status'>;
  private readonly active = new Map<BuildId, ActiveBuild>();
  private readonly faults = new Map<BuildId, number>();
  private unlisten: (() => void) | undefined;
  private isStopping = false;
  private sweepAt = 0;
  private sweeping: Promise<void> = Promise.resolve();

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(NotificationListener) private readonly notifications: NotificationListener,
    @Inject(RUNTIME) runtime: Runtime,
    @Inject(ARTIFACTS) artifacts: ArtifactStore,
    @Inject(ResourceTypeRegistry) resourceTypes: Pick<ResourceTypeRegistry, 'get'>,
    @Inject(PipelinesService) pipelines: Pick<PipelinesService, 'setPipelineIn'>,
    @Inject(Settings) settings: Settings,
    @Inject(CLOCK) clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(Metrics) metrics: Metrics,
    @Optional() @Inject(CHECK_RUNNER) checkRunner?: CheckRunner,
    @Optional() @Inject(CREDENTIALS) credentials?: CredentialSource,
    @Optional()
    @Inject(CustomTypes)
    customTypes = new CustomTypes(db, runtime, artifacts, resourceTypes, settings, clock, log),
  ) {
    this.holder = { instance: settings.instanceId, epoch: settings.epoch };
    const pool = RuntimePool.of(runtime);
    this.parts = {
      db,
      runtime: pool,
      places: new Places(db, notifications, pool, settings.instanceId),
      artifacts,
      resourceTypes,
      customTypes,
      pipelines,
      settings,
      clock,
      log,
      checkRunner,
      credentials,
    };
    this.finished = metrics.counter('weir_builds_finished_total', 'Builds that this server ran to their end.', [
      'kind',
      'status',
    ]);
    this.runner = new LoopRunner(this, log);
  }

  onApplicationBootstrap(): void {
    this.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.stop();
  }

  start(): void {
    this.isStopping = false;
    this.unlisten ??= this.notifications.on('builds', () => this.runner.wake());
    this.runner.start();
  }

  /**
   * Lets every build go and gives its lease back, soon: processes go on under their supervisors and are joined by the next
   * start; gets and puts are interrupted and run again then.
   */
  async stop(): Promise<void> {
    this.unlisten?.();
    this.isStopping = true;
    await this.runner.stop();
    const ids = [...this.active.keys()];
    const over = [...this.active.values()].map(({ run, done }) => {
      run?.letGo();
      return done;
    });
    await Promise.all([...over, this.sweeping]);
    if (ids.length === 0) return;
    await this.db
      .tx((tx) => releaseLeases(tx, this.holder, ids))
      .catch((error: unknown) =>
        this.log.info({ error: messageOf(error) }, 'leases were not given back; they run out'),
      );
  }

  /** How many builds run here now. */
  get activeCount(): number {
    return this.active.size;
  }

  async runOnce(): Promise<void> {
    await this.renew();
    const ids = await this.db.tx((tx) =>
      claimBuilds(tx, this.holder, LEASE_MS, [...this.active.keys()], MAX_BUILDS - this.active.size),
    );
    ids.forEach((id) => this.take(id));
    this.sweepNowAndThen();
  }

  /** Keeps the leases, passes aborts on, and lets go of what is no longer ours. */
  private async renew(): Promise<void> {
    const ids = [...this.active.keys()];
    if (ids.length === 0) return;
    const leases = await heldLeases(this.db, this.holder, LEASE_MS / 2, ids);
    for (const { id, aborted } of leases) if (aborted) this.active.get(id)?.run?.abort();
    const due = leases.filter(({ isDue }) => isDue).map(({ id }) => id);
    if (due.length > 0) await this.db.tx((tx) => renewLeases(tx, this.holder, LEASE_MS, due));
    const held = new Set(leases.map(({ id }) => id));
    const lost = ids.filter((id) => !held.has(id) && this.active.has(id));
    const ended = new Set(lost.length > 0 ? await endedBuilds(this.db, lost) : []);
    for (const id of lost) {
      const active = this.active.get(id);
      if (!active?.run || active.run.isFinished) continue;
      active.run.letGo();
      // Ended by force or deleted while it ran here: nobody else will stop its processes.
      if (ended.has(id)) active.killAfter = true;
    }
  }

  private take(id: BuildId): void {
    const active: ActiveBuild = { run: undefined, killAfter: false, done: Promise.resolve() };
    this.active.set(id, active);
    active.done = this.runBuild(id, active).finally(() => {
      this.active.delete(id);
    });
  }

  /** Never throws: what goes wrong leaves the build to its next taker. */
  private async runBuild(id: BuildId, active: ActiveBuild): Promise<void> {
    try {
      const run = await BuildRun.load(this.parts, id, this.holder);
      active.run = run;
      if (this.isStopping) {
        run?.letGo(); // nobody could while it was read
        run?.throwIfLetGo();
      }
      if (run) this.count(run, await run.execute(walkStep));
      this.faults.delete(id);
    } catch (error) {
      await this.suspended(id, active, error).catch((fault: unknown) =>
        this.log.warn({ buildId: id, error: messageOf(fault) }, 'letting a build go failed'),
      );
    }
  }

  private async suspended(id: BuildId, active: ActiveBuild, error: unknown): Promise<void> {
    const cause = error instanceof RunSuspended ? error.cause : error;
    if (active.killAfter) return active.run?.killProcesses();
    if (cause === undefined) return; // the lease is lost or we stop
    this.log.warn({ buildId: id, error: messageOf(cause) }, 'build suspended');
    if (isDatabaseUnavailable(cause)) return;
    const faults = (this.faults.get(id) ?? 0) + 1;
    this.faults.set(id, faults);
    if (faults >= MAX_FAULTS) {
      this.faults.delete(id);
      if (!active.run) return;
      await active.run.giveUp(`the build cannot go on: ${messageOf(cause)}`);
      this.count(active.run, 'errored');
      await active.run.killProcesses();
    }
  }

  private count({ build }: BuildRun, status: FinalStatus): void {
    this.finished.inc({
      kind: build.jobId !== undefined ? 'job' : build.resourceId !== undefined ? 'check' : 'one-off',
      status,
    });
  }

  /** Beside the rounds, so that builds do not wait for it. */
  private sweepNowAndThen(): void {
    const now = this.parts.clock.now().getTime();
    if (now < this.sweepAt) return;
    this.sweepAt = now + SWEEP_EVERY_MS;
    this.sweeping = this.sweep().catch((error: unknown) =>
      this.log.warn({ error: messageOf(error) }, 'removing what builds left failed'),
    );
  }

  /**
   * Removes what builds left that have ended: artifacts that were kept for a while, caches whose time is over, and everything when a crash came between
   * the end of a build and its clearing up.
   */
  private async sweep(): Promise<void> {
    await this.sweepContainers();
    await this.sweepArtifacts();
    await this.db.tx((tx) => forgetEndedTaskCaches(tx));
    await this.parts.runtime.sweepCaches(async () => (await allTaskCacheIds(this.db)).map(taskCacheKey));
  }

  /** Ends what still runs for a build that is over, and removes what nobody may want to step into any more. */
  private async sweepContainers(): Promise<void> {
    const { runtime, settings } = this.parts;
    const steps = await runtime.list({ instance: settings.instanceId });
    const builds = [...new Set(steps.flatMap(({ handle }) => buildOfHandle(handle) ?? []))];
    const ended = new Set(await endedBuilds(this.db, builds));
    const kept = await buildsWithContainers(this.db, [...ended], settings.keepFailedContainersMs);
    for (const { handle, phase } of steps) {
      const build = buildOfHandle(handle);
      if (build === undefined || !ended.has(build)) continue;
      if (phase === 'running' || phase === 'pending') await runtime.signal(handle, 'KILL');
      if (!kept.has(build)) await runtime.remove(handle);
    }
  }

  private async sweepArtifacts(): Promise<void> {
    const { artifacts, settings } = this.parts;
    const stored = (await artifacts.list()).map(({ ref }) => ref);
    await this.db.tx((tx) => forgetExpiredArtifacts(tx));
    const ids = stored.map(({ id }) => id);
    const awaited = await knownRefs(this.db, ids);
    const builds = [...new Set(ids.flatMap((id) => buildOfHandle(id) ?? []))];
    const ended = new Set<BuildId | undefined>(await endedBuilds(this.db, builds));
    const loose = stored.filter(({ id }) => !awaited.has(id) && (isUpload(id) || ended.has(buildOfHandle(id))));
    const theirs = [...new Set(loose.flatMap(({ id }) => buildOfHandle(id) ?? []))];
    const needed = await artifactsInUse(this.db, theirs, settings.keepFailedArtifactsMs);
    for (const ref of loose) if (!needed.has(ref.id)) await artifacts.remove(ref);
    await this.sweepImages();
  }

  private async sweepImages(): Promise<void> {
    const { runtime, customTypes, settings, clock } = this.parts;
    const steps = await runtime.list({ instance: settings.instanceId });
    const inUse = new Set(steps.flatMap(({ labels }) => labels['image'] ?? []));
    await customTypes.removeUnused(inUse, clock.now());
  }
}

interface ActiveBuild {
  run: BuildRun | undefined;
  done: Promise<void>;
  /** The build is over for everybody: kill its processes when the run has stopped. */
  killAfter: boolean;
}
