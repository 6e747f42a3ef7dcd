import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Logger, Settings } from '../platform/index.js';
import { messageOf } from '../platform/index.js';
import { SourceError, type LookupWatcher, type Secret, type SecretOwner, type SecretSource } from './secret-source.js';

export type ReadSettings = Pick<
  Settings,
  'secretCacheMs' | 'secretCacheNotFoundMs' | 'secretRetryAttempts' | 'secretRetryIntervalMs'
>;

/** More places than a server reads within a few minutes. */
const MAX_KEPT = 10_000;

interface Kept {
  readonly secret: Secret | undefined;
  readonly until: number;
}

/**
 * Looks vars up in one source: goes through its places, asks again after passing trouble, and keeps answers of remote sources
 * as long as the settings allow. What is kept is this server's own; another may have an older or newer answer for that long.
 */
export class ReadThrough {
  private readonly kept = new Map<string, Kept>();

  constructor(
    readonly source: SecretSource,
    private readonly settings: ReadSettings,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * The value of a var; undefined when the source has none.
   * @throws SourceError when the source cannot tell; it names the place. AbortError when the watcher no longer waits.
   */
  async find(name: string, owner: SecretOwner, watcher?: LookupWatcher): Promise<Secret | undefined> {
    for (const place of this.source.places(name, owner)) {
      const secret = await this.read(place, owner, watcher);
      if (secret !== undefined) return secret;
    }
    return undefined;
  }

  private async read(place: string, owner: SecretOwner, watcher?: LookupWatcher): Promise<Secret | undefined> {
    if (!this.source.isRemote) return this.source.read(place, owner);
    const kept = this.kept.get(place);
    if (kept !== undefined && kept.until > this.now()) return kept.secret;
    const secret = await this.ask(place, owner, watcher);
    this.keep(place, secret);
    return secret;
  }

  private async ask(place: string, owner: SecretOwner, watcher?: LookupWatcher): Promise<Secret | undefined> {
    const { secretRetryAttempts: attempts, secretRetryIntervalMs: intervalMs } = this.settings;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.source.read(place, owner);
      } catch (error) {
        const isPassing = error instanceof SourceError && error.isPassing;
        const why = messageOf(error);
        if (!isPassing || attempt >= attempts) {
          const tries = attempt > 1 ? `, asked ${attempt} times` : '';
          throw new SourceError(`${why} (looked at ${place}${tries})`, isPassing, { cause: error });
        }
        this.log.warn({ source: this.source.title, place, attempt, attempts, error: why }, 'source of vars in trouble');
        const next = `asked again in ${intervalMs / 1000} s (try ${attempt} of ${attempts})`;
        await watcher?.say(`${this.source.title}: ${why} (looked at ${place}); ${next}`);
        await sleep(intervalMs, undefined, watcher && { signal: watcher.signal });
      }
    }
  }

  private keep(place: string, secret: Secret | undefined): void {
    const { secretCacheMs, secretCacheNotFoundMs } = this.settings;
    const ms = secret === undefined ? secretCacheNotFoundMs : Math.min(secretCacheMs, secret.keepMs ?? Infinity);
    this.kept.delete(place);
    if (ms <= 0) return;
    this.kept.set(place, { secret, until: this.now() + ms });
    const [oldest] = this.kept.keys();
    if (this.kept.size > MAX_KEPT && oldest !== undefined) this.kept.delete(oldest);
  }

  private now(): number {
    return this.clock.now().getTime();
  }
}
