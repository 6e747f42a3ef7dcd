import { isIPv6 } from 'node:net';
import type { Clock } from '../../platform/index.js';

/** So many seconds' worth may be asked at once after a rest. */
const BURST_SECONDS = 10;
const MOST_BUCKETS = 50_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Token buckets by caller, in the memory of this server: several servers on one database each grant the rate. A full bucket is
 * forgotten, so memory follows who asks now.
 */
export class RateLimiter {
  private readonly buckets = new Map<string, Bucket>();

  /** @param ratePerSecond 0: no limit. */
  constructor(
    private readonly ratePerSecond: number,
    private readonly clock: Clock,
  ) {}

  /** Takes one request of the caller. @returns 0, or in how many seconds the next is granted. */
  take(caller: string): number {
    if (this.ratePerSecond === 0) return 0;
    const bucket = this.refilled(caller);
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / this.ratePerSecond));
    bucket.tokens -= 1;
    return 0;
  }

  /** Is the caller one who asked a short while ago? */
  knows(caller: string): boolean {
    return this.buckets.has(caller);
  }

  /** Charges the last request of `first` to `later` instead: meanwhile it is known who asked. */
  move(first: string, later: string): void {
    const bucket = this.buckets.get(first);
    if (!bucket) return;
    bucket.tokens += 1;
    this.take(later);
  }

  private refilled(caller: string): Bucket {
    const atMs = this.clock.now().getTime();
    const most = this.ratePerSecond * BURST_SECONDS;
    const known = this.buckets.get(caller);
    // The newest is last, so that the first is who has asked nothing for the longest time.
    this.buckets.delete(caller);
    const tokens = known ? known.tokens + (Math.max(0, atMs - known.atMs) / 1000) * this.ratePerSecond : most;
    const bucket = { tokens: Math.min(most, tokens), atMs };
    this.buckets.set(caller, bucket);
    this.forget(atMs);
    return bucket;
  }

  private forget(atMs: number): void {
    for (const [caller, bucket] of this.buckets) {
      const isFull = atMs - bucket.atMs >= BURST_SECONDS * 1000;
      if (!isFull && this.buckets.size <= MOST_BUCKETS) return;
      this.buckets.delete(caller);
    }
  }
}

/** Who asks by address. A house has a whole /64 of IPv6 addresses: they count as one. */
export function callerOfAddress(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return `address ${address.replace(/^::ffff:/i, '')}`;
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return `address ${[...first, ...Array<string>(zeros).fill('0'), ...last].slice(0, 4).join(':')}::/64`;
}
