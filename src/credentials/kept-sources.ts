import { createHash } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { JsonObject } from '../model/index.js';
import { CLOCK, LOGGER, LoopRunner, Settings, type Clock, type Logger, type Loop } from '../platform/index.js';
import { openServerSource, openVarSource } from './open-source.js';
import { ReadThrough } from './read-through.js';
import { SigningKeys } from './signing-keys.js';

const IDLE_MS = 10 * 60_000;
const MAX_SOURCES = 1_000;

/** The server's own source of values. */
export interface ServerSource {
  /** As `/info/creds` names it. */
  readonly kind: string;
  readonly reader: ReadThrough;
}

interface KeptSource {
  readonly reader: ReadThrough;
  usedAt: number;
}

/**
 * The sources that this server is logged in to. A var source is known by its type and its config with all values filled in,
 * so whoever gives other credentials shares nothing. One that nobody has used for ten minutes is forgotten.
 */
@Injectable()
export class KeptSources implements Loop, OnApplicationBootstrap, OnModuleDestroy {
  readonly name = 'credentials';
  readonly tickMs = 10_000;
  /** Undefined when the settings name none. */
  readonly server: ServerSource | undefined;
  private readonly byDigest = new Map<string, KeptSource>();
  private readonly runner: LoopRunner;

  constructor(
    @Inject(Settings) private readonly settings: Settings,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(SigningKeys) private readonly keys: SigningKeys,
  ) {
    const own = openServerSource({ settings, clock, keys });
    if (own) this.server = { kind: own.kind, reader: new ReadThrough(own.source, settings, clock, log) };
    this.runner = new LoopRunner(this, log);
  }

  onApplicationBootstrap(): void {
    this.runner.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.runner.stop();
  }

  /** The source with this config. @throws SourceError when the config does not fit its type; it holds no value. */
  open(type: string, config: JsonObject): ReadThrough {
    const digest = createHash('sha256')
      .update(JSON.stringify([type, config]))
      .digest('base64');
    const usedAt = this.clock.now().getTime();
    const known = this.byDigest.get(digest);
    const reader = known?.reader ?? this.make(type, config);
    this.byDigest.delete(digest);
    this.byDigest.set(digest, { reader, usedAt }); // the one that was used last comes last
    const [longestUnused] = this.byDigest.keys();
    if (this.byDigest.size > MAX_SOURCES && longestUnused !== undefined) this.byDigest.delete(longestUnused);
    return reader;
  }

  /** Renews logins and forgets sources that are not used. */
  async runOnce(): Promise<void> {
    const now = this.clock.now().getTime();
    for (const [digest, { usedAt }] of this.byDigest) if (now - usedAt > IDLE_MS) this.byDigest.delete(digest);
    const readers = [...this.byDigest.values()].map(({ reader }) => reader);
    if (this.server) readers.push(this.server.reader);
    await Promise.all(readers.flatMap(({ source }) => source.keepAlive?.() ?? []));
  }

  private make(type: string, config: JsonObject): ReadThrough {
    const { settings, clock, keys } = this;
    return new ReadThrough(openVarSource(type, config, { settings, clock, keys }), settings, clock, this.log);
  }
}
