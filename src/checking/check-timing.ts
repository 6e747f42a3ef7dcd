import { parseDurationMs, type ResourceConfig } from '../model/index.js';

/** With a webhook, periodic checks only repair what a lost call missed. */
const WEBHOOK_INTERVALS = 10;
/** However often a check fails, it is tried again after this time, or after its interval if that is longer. */
const LONGEST_BACKOFF_MS = 15 * 60_000;
/** Checks of one moment drift apart by up to this part of their interval. */
const JITTER = 0.05;

/** Time between two checks; null: only when asked for (`check_every: never`). */
export function checkIntervalMs(config: ResourceConfig, defaultMs: number): number | null {
  if (config.check_every === 'never') return null;
  const given = config.check_every === undefined ? undefined : parseDurationMs(config.check_every);
  return given ?? (config.webhook_token ? defaultMs * WEBHOOK_INTERVALS : defaultMs);
}

/**
 * Time from the end of a check to the next one: the interval, doubled with every failure in a row after the first, with
 * some jitter (never longer than the interval while all is well).
 * @param failures in a row, this check included.
 * @param random uniform in [0, 1).
 */
export function nextCheckDelayMs(intervalMs: number | null, failures: number, random: number): number | null {
  if (intervalMs === null) return null;
  const longest = Math.max(intervalMs, LONGEST_BACKOFF_MS);
  const backedOff = Math.min(intervalMs * 2 ** Math.min(Math.max(failures - 1, 0), 30), longest);
  return backedOff * (1 - JITTER * random);
}

/** How long a check may take. */
export function checkTimeoutMs(config: ResourceConfig, defaultMs: number): number {
  return (config.check_timeout === undefined ? undefined : parseDurationMs(config.check_timeout)) ?? defaultMs;
}

/** `1h30m`, `45s`, `250ms`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ] as const;
  return parts.flatMap(([amount, unit]) => (amount > 0 ? [`${amount}${unit}`] : [])).join('');
}
