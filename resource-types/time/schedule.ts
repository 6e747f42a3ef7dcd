import { addDays, dayAt, instantOf, weekdayOf, type CalendarDay } from './zone.js';

/** When versions are due. At least one of interval, window and days is there. No clock in this file: all is given. */
export interface TimeSpec {
  readonly intervalMs?: number;
  /** Times of day in milliseconds. `stop` at or before `start` is on the next day: equal ones mean the whole day. */
  readonly window?: { readonly startMs: number; readonly stopMs: number };
  /** Days on which a window may begin; 0 is Sunday. Undefined: all. */
  readonly days?: ReadonlySet<number>;
  /** IANA name of the zone of window and days. */
  readonly zone: string;
  /** Nothing is due before. */
  readonly startAfter?: Date;
}

interface Window {
  readonly start: Date;
  readonly stop: Date;
}

/** Longer than any pause between two windows of a weekly rhythm. */
const LOOK_AHEAD_DAYS = 9;

/**
 * True when a new version is due at `now`, `previous` being the time of the newest one. However many were missed (the
 * server was down), one is due; none while the clock stands before `previous`.
 */
export function isDue(spec: TimeSpec, previous: Date | undefined, now: Date): boolean {
  return nextDue(spec, previous, now)?.getTime() === now.getTime();
}

/** The first moment from `now` on at which a version is due; undefined when there never is one. */
export function nextDue(spec: TimeSpec, previous: Date | undefined, now: Date): Date | undefined {
  const bounds = [now.getTime(), spec.startAfter?.getTime() ?? 0];
  if (previous !== undefined) bounds.push(previous.getTime() + (spec.intervalMs ?? 0));
  const earliest = new Date(Math.max(...bounds));
  if (spec.window === undefined && spec.days === undefined) return spec.intervalMs === undefined ? undefined : earliest;
  // The window that is open may have begun the day before.
  const firstDay = addDays(dayAt(earliest, spec.zone), -1);
  for (let ahead = 0; ahead <= LOOK_AHEAD_DAYS; ahead++) {
    const window = windowOf(spec, addDays(firstDay, ahead));
    if (window === undefined || window.stop <= earliest) continue;
    // Without an interval a window gives one version.
    if (spec.intervalMs === undefined && previous !== undefined && previous >= window.start) continue;
    return window.start > earliest ? window.start : earliest;
  }
  return undefined;
}

/** The times, at most `limit`, at which a check made at every moment of [from, to) would find new versions. */
export function dueTimes(spec: TimeSpec, previous: Date | undefined, from: Date, to: Date, limit = 1000): Date[] {
  const times: Date[] = [];
  for (let last = previous; times.length < limit; last = times.at(-1)) {
    const next = nextDue(spec, last, last !== undefined && last > from ? last : from);
    if (next === undefined || next >= to) break;
    times.push(next);
  }
  return times;
}

/** The window that begins on that day; undefined when none does. Days without start and stop are windows from midnight on. */
function windowOf(spec: TimeSpec, day: CalendarDay): Window | undefined {
  if (spec.days !== undefined && !spec.days.has(weekdayOf(day))) return undefined;
  const { startMs, stopMs } = spec.window ?? { startMs: 0, stopMs: 0 };
  const isOvernight = stopMs <= startMs;
  const start = instantOf(day, startMs, spec.zone);
  const stop = instantOf(isOvernight ? addDays(day, 1) : day, stopMs, spec.zone);
  // When clocks skip the window's beginning, what is left of it may be nothing: it then keeps its length.
  return { start, stop: stop > start ? stop : new Date(start.getTime() + stopMs - startMs) };
}
