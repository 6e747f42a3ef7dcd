import { z } from 'zod';
import { parseDurationMs } from '../../src/resources/contract.js';
import type { TimeSpec } from './schedule.js';
import { dayAt, instantOf, isZone } from './zone.js';

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

const quoted = {
  error: (issue: { input?: unknown }) => (issue.input === undefined ? 'is missing' : 'must be text: put it in quotes'),
};

const clock = z
  .string(quoted)
  .refine(
    (text) => parseClockMs(text) !== undefined,
    'is not a time of day such as "3:04 PM", "3PM", "15:04" or "1504" (for a zone use location)',
  );

export const timeSource = z
  .strictObject({
    interval: z
      .string()
      .refine((text) => (parseDurationMs(text) ?? 0) > 0, 'is not a duration such as "60s", "90m" or "1h30m"')
      .optional()
      .describe('Time between versions.'),
    start: clock.optional().describe('Versions are made from this time of day on.'),
    stop: clock.optional().describe('… and before this one. At or before start: on the next day.'),
    days: z
      .array(z.string().refine((day) => DAYS.includes(day.toLowerCase()), 'is not a day: Sunday, Monday, …, Saturday'))
      .min(1)
      .optional()
      .describe('Days on which versions are made; a window over midnight belongs to the day it begins on.'),
    location: z
      .string()
      .refine(isZone, 'is not a time zone such as "Europe/Berlin"')
      .optional()
      .describe('Zone of start, stop, days and start_after. Default UTC.'),
    initial_version: z.boolean().optional().describe('The first check gives a version at any time.'),
    start_after: z
      .string(quoted)
      .refine(
        (text) => parseMoment(text, 'UTC') !== undefined,
        'is not a date or time such as "2026-12-01" or "2026-12-01T08:00:00"',
      )
      .optional()
      .describe('No version is made before.'),
  })
  .superRefine((source, context) => {
    if ((source.start === undefined) !== (source.stop === undefined)) {
      const missing = source.start === undefined ? 'start' : 'stop';
      context.addIssue({ code: 'custom', path: [missing], message: 'start and stop need each other' });
    }
    if (
      source.interval === undefined &&
      source.start === undefined &&
      source.stop === undefined &&
      source.days === undefined
    ) {
      context.addIssue({ code: 'custom', path: [], message: 'needs interval, or start and stop, or days' });
    }
  });

export type TimeSource = z.output<typeof timeSource>;

/** get and put take no params. */
export const noParams = z.strictObject({});
export type NoParams = z.output<typeof noParams>;

/** The source as the pure schedule wants it. */
export function specOf(source: TimeSource): TimeSpec {
  const zone = source.location ?? 'UTC';
  const [intervalMs, startMs, stopMs] = [
    parseDurationMs(source.interval ?? ''),
    parseClockMs(source.start ?? ''),
    parseClockMs(source.stop ?? ''),
  ];
  const startAfter = parseMoment(source.start_after ?? '', zone);
  return {
    zone,
    ...(intervalMs === undefined ? {} : { intervalMs }),
    ...(startMs === undefined || stopMs === undefined ? {} : { window: { startMs, stopMs } }),
    ...(source.days === undefined ? {} : { days: new Set(source.days.map((day) => DAYS.indexOf(day.toLowerCase()))) }),
    ...(startAfter === undefined ? {} : { startAfter }),
  };
}

/** Milliseconds since midnight of `3:04 PM`, `3PM`, `15:04` or `1504`. */
export function parseClockMs(text: string): number | undefined {
  const match = /^(\d{1,2}?)(?::?(\d{2}))?\s*(AM|PM)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, hours, minutes, half] = match;
  let hour = Number(hours);
  const minute = Number(minutes ?? '0');
  if (half === undefined ? minutes === undefined || hour > 23 : hour < 1 || hour > 12) return undefined;
  if (half !== undefined) hour = (hour % 12) + (half.toUpperCase() === 'PM' ? 12 : 0);
  return minute > 59 ? undefined : (hour * 60 + minute) * 60_000;
}

/** The instant of a date, or date and time, in the zone unless it has an offset of its own. */
export function parseMoment(text: string, zone: string): Date | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?(Z|[+-]\d{2}:\d{2})?)?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, year, month, day, hour = '00', minute = '00', second = '00', offset] = match;
  // Let the platform judge whether there is such a day and time.
  const plain = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}${offset ?? 'Z'}`);
  if (Number.isNaN(plain.getTime())) return undefined;
  if (offset !== undefined) return plain;
  const date = dayAt(plain, 'UTC');
  if (date.day !== Number(day)) return undefined;
  return instantOf(date, ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000, zone);
}
