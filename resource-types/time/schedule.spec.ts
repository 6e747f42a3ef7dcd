import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dueTimes, isDue, nextDue } from './schedule.js';
import { parseClockMs, parseMoment, specOf, timeSource } from './schema.js';

const spec = (source: unknown) => specOf(timeSource.parse(source));
const at = (text: string) => new Date(text);

describe('a version is due', () => {
  it.each([
    // [title, source, previous, now, due]
    ['with an interval, at once when there is none', { interval: '1h' }, undefined, '2026-03-01T00:00:00Z', true],
    ['not before the interval has passed', { interval: '1h' }, '2026-03-01T00:00:00Z', '2026-03-01T00:59:59Z', false],
    ['when the interval has passed', { interval: '1h' }, '2026-03-01T00:00:00Z', '2026-03-01T01:00:00Z', true],
    ['once after many missed intervals', { interval: '1m' }, '2026-03-01T00:00:00Z', '2026-03-09T00:00:00Z', true],
    ['not while the clock was turned back', { interval: '1m' }, '2026-03-01T12:00:00Z', '2026-03-01T11:00:00Z', false],
    ['inside the window', { start: '8AM', stop: '9AM' }, undefined, '2026-03-01T08:00:00Z', true],
    ['not before the window', { start: '8AM', stop: '9AM' }, undefined, '2026-03-01T07:59:59Z', false],
    ['not at the stop of the window', { start: '8AM', stop: '9AM' }, undefined, '2026-03-01T09:00:00Z', false],
    ['once per window', { start: '8AM', stop: '9AM' }, '2026-03-01T08:10:00Z', '2026-03-01T08:50:00Z', false],
    ['again in the next window', { start: '8AM', stop: '9AM' }, '2026-03-01T08:10:00Z', '2026-03-02T08:00:00Z', true],
    [
      'not by a clock turned back in the window',
      { start: '8AM', stop: '9AM' },
      '2026-03-01T08:30:00Z',
      '2026-03-01T08:10:00Z',
      false,
    ],
    [
      'on the interval in the window',
      { interval: '10m', start: '8AM', stop: '9AM' },
      '2026-03-01T08:10:00Z',
      '2026-03-01T08:20:00Z',
      true,
    ],
    [
      'not on the interval out of the window',
      { interval: '10m', start: '8AM', stop: '9AM' },
      '2026-03-01T08:50:00Z',
      '2026-03-01T09:10:00Z',
      false,
    ],
    ['after midnight in a window over it', { start: '23:00', stop: '01:00' }, undefined, '2026-03-01T00:30:00Z', true],
    [
      'once in a window over midnight',
      { start: '23:00', stop: '01:00' },
      '2026-03-01T23:30:00Z',
      '2026-03-02T00:30:00Z',
      false,
    ],
    [
      'in a window over midnight of a day before',
      { start: '23:00', stop: '01:00', days: ['Sunday'] },
      undefined,
      '2026-03-02T00:30:00Z',
      true,
    ],
    [
      'not in the early hours of the day itself',
      { start: '23:00', stop: '01:00', days: ['Sunday'] },
      undefined,
      '2026-03-01T00:30:00Z',
      false,
    ],
    [
      'at any time when start and stop are equal',
      { start: '6:00', stop: '6:00' },
      undefined,
      '2026-03-01T05:59:00Z',
      true,
    ],
    ['once a day by days alone', { days: ['Sunday', 'Monday'] }, '2026-03-01T23:59:00Z', '2026-03-02T00:00:00Z', true],
    ['not on another day', { days: ['Monday'] }, undefined, '2026-03-01T12:00:00Z', false],
    [
      'by the weekday of the zone',
      { days: ['Monday'], location: 'Pacific/Auckland' },
      undefined,
      '2026-03-01T12:00:00Z',
      true,
    ],
    [
      'by the clock of the zone',
      { start: '9AM', stop: '10AM', location: 'America/New_York' },
      undefined,
      '2026-01-05T14:30:00Z',
      true,
    ],
    ['not before start_after', { interval: '1m', start_after: '2026-12-01' }, undefined, '2026-11-30T23:59:59Z', false],
    [
      'from start_after on, in its zone',
      { interval: '1m', start_after: '2026-12-01T08:00', location: 'Asia/Tokyo' },
      undefined,
      '2026-11-30T23:00:00Z',
      true,
    ],
  ])('%s', (_title, source, previous, now, due) => {
    expect(isDue(spec(source), previous === undefined ? undefined : at(previous), at(now))).toBe(due);
  });
});

describe('a daily window when clocks change', () => {
  const berlin = { start: '2:30', stop: '2:45', location: 'Europe/Berlin' };

  it('comes later by what the clocks skip in spring', () => {
    const times = dueTimes(spec(berlin), undefined, at('2026-03-28T00:00:00Z'), at('2026-03-31T00:00:00Z'));
    expect(times).toEqual([at('2026-03-28T01:30:00Z'), at('2026-03-29T01:30:00Z'), at('2026-03-30T00:30:00Z')]);
  });

  it('comes once, at its first time, in autumn', () => {
    const times = dueTimes(spec(berlin), undefined, at('2026-10-24T00:00:00Z'), at('2026-10-27T00:00:00Z'));
    expect(times).toEqual([at('2026-10-24T00:30:00Z'), at('2026-10-25T00:30:00Z'), at('2026-10-26T01:30:00Z')]);
  });

  it('is not lost when only its beginning is skipped', () => {
    const times = dueTimes(
      spec({ ...berlin, stop: '3:10' }),
      undefined,
      at('2026-03-29T00:00:00Z'),
      at('2026-03-30T00:00:00Z'),
    );
    expect(times).toHaveLength(1);
  });

  it('lasts 23 and 25 hours as a whole day', () => {
    const day = spec({ days: ['Sunday'], interval: '1h', location: 'Europe/Berlin' });
    expect(dueTimes(day, undefined, at('2026-03-28T00:00:00Z'), at('2026-03-31T00:00:00Z'))).toHaveLength(23);
    expect(dueTimes(day, undefined, at('2026-10-24T00:00:00Z'), at('2026-10-27T00:00:00Z'))).toHaveLength(25);
  });

  it('knows zones with half hours and changes at midnight', () => {
    const lordHowe = spec({ start: '12:00 AM', stop: '12:30 AM', location: 'Australia/Lord_Howe' });
    expect(nextDue(lordHowe, undefined, at('2026-01-01T00:00:00Z'))).toEqual(at('2026-01-01T13:00:00Z'));
    const cairo = spec({ start: '12:00 AM', stop: '12:30 AM', location: 'Africa/Cairo' });
    // Clocks skip from 0:00 to 1:00 on 24 April 2026.
    expect(nextDue(cairo, undefined, at('2026-04-23T00:00:00Z'))).toEqual(at('2026-04-23T22:00:00Z'));
  });
});

describe('any schedule', () => {
  const minute = fc.integer({ min: 0, max: 1439 });
  const clock = minute.map((m) => `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`);
  const location = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia');
  const moment = fc.date({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z'), noInvalidDate: true });

  it('has one version per day in a window without an interval, whatever the clocks do', () => {
    fc.assert(
      fc.property(clock, clock, location, moment, (start, stop, zone, from) => {
        const to = new Date(from.getTime() + 21 * 86_400_000);
        const times = dueTimes(spec({ start, stop, location: zone }), undefined, from, to);
        expect(times.length).toBeGreaterThanOrEqual(20);
        expect(times.length).toBeLessThanOrEqual(22);
      }),
      { numRuns: 100 },
    );
  });

  it('says the next moment that is due, and none before it', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        location,
        moment,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (start, stop, zone, now, part) => {
          const schedule = spec({ start, stop, location: zone, days: ['Tuesday', 'Friday'], interval: '7m' });
          const next = nextDue(schedule, undefined, now)!;
          expect(isDue(schedule, undefined, next)).toBe(true);
          const before = new Date(now.getTime() + Math.floor((next.getTime() - now.getTime()) * part));
          expect(isDue(schedule, undefined, before)).toBe(before.getTime() === next.getTime());
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('a time of day', () => {
  it.each([
    ['3:04 PM', 15 * 60 + 4],
    ['3PM', 15 * 60],
    ['3 PM', 15 * 60],
    ['12 AM', 0],
    ['12:30PM', 12 * 60 + 30],
    ['15:04', 15 * 60 + 4],
    ['1504', 15 * 60 + 4],
    ['0:05', 5],
    ['24:00', undefined],
    ['13PM', undefined],
    ['0 AM', undefined],
    ['12:60', undefined],
    ['7', undefined],
    ['', undefined],
    ['8:00 PM -0700', undefined],
  ])('%s', (text, minutes) => {
    expect(parseClockMs(text)).toBe(minutes === undefined ? undefined : minutes * 60_000);
  });
});

describe('a moment', () => {
  it.each([
    ['2026-12-01', '2026-11-30T23:00:00.000Z'],
    ['2026-12-01T08:00:00', '2026-12-01T07:00:00.000Z'],
    ['2026-12-01 08:00', '2026-12-01T07:00:00.000Z'],
    ['2026-12-01T08:00:00Z', '2026-12-01T08:00:00.000Z'],
    ['2026-12-01T08:00:00-05:00', '2026-12-01T13:00:00.000Z'],
    ['2026-02-30', undefined],
    ['tomorrow', undefined],
  ])('%s in Berlin', (text, expected) => {
    expect(parseMoment(text, 'Europe/Berlin')?.toISOString()).toBe(expected);
  });
});
