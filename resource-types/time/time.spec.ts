import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { describeResourceTypeContract, filesOf, stepContext } from '../../test/support/resource-type-contract.js';
import { time } from './index.js';

let now = new Date('2026-11-21T18:00:00Z');

describeResourceTypeContract({
  type: time,
  source: async () => ({ interval: '5m' }),
  advance: async () => {
    now = new Date(now.getTime() + 5 * 60_000);
  },
  preparePut: async () => ({}),
  now: () => now,
});

describe('time', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'weir-test-time-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const source = (value: unknown) => parseInput(time.schema.source, value, 'source');
  const contextAt = (text: string) => stepContext(dir, { now: () => new Date(text) });
  const check = (value: unknown, at: string, version?: string) =>
    time.check(contextAt(at), { source: source(value), ...(version !== undefined && { version: { time: version } }) });

  it('gives the given version and one of now when due', async () => {
    expect(await check({ interval: '1m' }, '2026-11-21T18:00:00.250Z', '2026-11-20T18:00:00.123456789Z')).toEqual([
      { time: '2026-11-20T18:00:00.123456789Z' },
      { time: '2026-11-21T18:00:00.250Z' },
    ]);
  });

  it('gives an initial version outside of the window, once', async () => {
    const value = { start: '8AM', stop: '9AM', initial_version: true };
    expect(await check(value, '2026-11-21T18:00:00Z')).toEqual([{ time: '2026-11-21T18:00:00.000Z' }]);
    expect(await check(value, '2026-11-21T18:01:00Z', '2026-11-21T18:00:00.000Z')).toHaveLength(1);
    expect(await check({ start: '8AM', stop: '9AM' }, '2026-11-21T18:00:00Z')).toEqual([]);
  });

  it('says no to a version without a time', async () => {
    await expect(check({ interval: '1m' }, '2026-11-21T18:00:00Z', 'yesterday')).rejects.toThrow(
      'the version has no usable time: {"time":"yesterday"}',
    );
  });

  it('writes input, timestamp and epoch', async () => {
    const version = { time: '2026-11-21T18:00:00.900Z' };
    await time.get(contextAt('2026-11-21T19:00:00Z'), { source: source({ interval: '1m' }), params: {}, version, dir });
    expect(Object.keys(filesOf(dir))).toEqual(['epoch', 'input', 'timestamp']);
    expect(readFileSync(join(dir, 'epoch'), 'utf8')).toBe('1795284000');
    expect(readFileSync(join(dir, 'timestamp'), 'utf8')).toBe('2026-11-21T18:00:00.900Z');
    expect(JSON.parse(readFileSync(join(dir, 'input'), 'utf8'))).toEqual({
      source: { interval: '1m' },
      version,
      params: {},
    });
  });

  it.each([
    [{}, 'source: needs interval, or start and stop, or days'],
    [{ start: '8AM' }, 'source: stop: start and stop need each other'],
    [{ interval: '5' }, 'source: interval: is not a duration such as "60s", "90m" or "1h30m"'],
    [{ interval: '-5m' }, 'source: interval: is not a duration such as "60s", "90m" or "1h30m"'],
    [{ start: 1504, stop: '16:00' }, 'source: start: must be text: put it in quotes'],
    [{ days: ['Someday'] }, 'source: days[0]: is not a day: Sunday, Monday, …, Saturday'],
    [{ interval: '1m', location: 'Mars/Base' }, 'source: location: is not a time zone such as "Europe/Berlin"'],
    [{ intervall: '1m', days: ['Monday'] }, 'source: intervall: unknown key; did you mean "interval"?'],
  ])('refuses %j', (value, message) => {
    expect(() => source(value)).toThrow(message);
  });
});
