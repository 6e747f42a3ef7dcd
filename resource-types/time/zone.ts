/** A day of the calendar. `month` is 1 to 12; a `day` beyond the month's end runs into the next month. */
export interface CalendarDay {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const formats = new Map<string, Intl.DateTimeFormat>();

/** True when the machine knows the IANA time zone. */
export function isZone(zone: string): boolean {
  try {
    return formatOf(zone) !== undefined;
  } catch {
    return false;
  }
}

/** The calendar day in the zone at that instant. */
export function dayAt(instant: Date, zone: string): CalendarDay {
  const wall = new Date(instant.getTime() + offsetMs(instant.getTime(), zone));
  return { year: wall.getUTCFullYear(), month: wall.getUTCMonth() + 1, day: wall.getUTCDate() };
}

/** The day some days later (or earlier). */
export function addDays({ year, month, day }: CalendarDay, days: number): CalendarDay {
  const sum = new Date(Date.UTC(year, month - 1, day + days));
  return { year: sum.getUTCFullYear(), month: sum.getUTCMonth() + 1, day: sum.getUTCDate() };
}

/** 0 is Sunday. */
export function weekdayOf({ year, month, day }: CalendarDay): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay();
}

/**
 * The instant of a time on the clocks of a zone. Of a time that clocks show twice (when summer time ends) it is the first;
 * a time that they skip (when it begins) is as much later as they skip.
 */
export function instantOf({ year, month, day }: CalendarDay, timeOfDayMs: number, zone: string): Date {
  const wallMs = Date.UTC(year, month - 1, day) + timeOfDayMs;
  // No zone changes twice within two days, so one of these two offsets is in force.
  const before = wallMs - offsetMs(wallMs - DAY_MS, zone);
  const after = wallMs - offsetMs(wallMs + DAY_MS, zone);
  if (before + offsetMs(before, zone) === wallMs) return new Date(before);
  return new Date(after + offsetMs(after, zone) === wallMs ? after : before);
}

function offsetMs(instantMs: number, zone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(instantMs)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  const wholeSecondMs = Math.floor(instantMs / 1000) * 1000;
  return Date.UTC(year, month - 1, day, hour, minute, second) - wholeSecondMs;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US-u-ca-iso8601-nu-latn', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}
