import { describe, expect, it } from '@jest/globals';
import { checkIntervalMs, checkTimeoutMs, durationText, nextCheckDelayMs } from './check-timing.js';

const resource = { name: 'r', type: 'git' };

describe('the interval of checks', () => {
  it.each([
    ['the default', {}, 60_000],
    ['what check_every says', { check_every: '90s' }, 90_000],
    ['none with never', { check_every: 'never' }, null],
    ['ten defaults with a webhook', { webhook_token: 't' }, 600_000],
    ['what check_every says, webhook or not', { webhook_token: 't', check_every: '5m' }, 300_000],
  ])('is %s', (_, keys, expected) => {
    expect(checkIntervalMs({ ...resource, ...keys }, 60_000)).toBe(expected);
  });

  it('is never exceeded while all is well, and hardly undercut', () => {
    expect(nextCheckDelayMs(60_000, 0, 0)).toBe(60_000);
    expect(nextCheckDelayMs(60_000, 0, 0.999)).toBeGreaterThan(57_000);
  });

  it('doubles with each failure after the first, up to a quarter of an hour or itself', () => {
    expect([1, 2, 3, 4, 5, 6, 50].map((failures) => nextCheckDelayMs(60_000, failures, 0))).toEqual(
      [1, 2, 4, 8, 15, 15, 15].map((minutes) => minutes * 60_000),
    );
    expect(nextCheckDelayMs(86_400_000, 9, 0)).toBe(86_400_000);
    expect(nextCheckDelayMs(null, 9, 0)).toBeNull();
  });
});

describe('the deadline of a check', () => {
  it.each([
    [undefined, 3_600_000],
    ['30s', 30_000],
    ['nonsense', 3_600_000],
  ])('with check_timeout %s is %i ms', (check_timeout, expected) => {
    expect(checkTimeoutMs({ ...resource, check_timeout }, 3_600_000)).toBe(expected);
  });

  it.each([
    [250, '250ms'],
    [3_600_000, '1h'],
    [5_445_000, '1h30m45s'],
  ])('of %i ms is told as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
