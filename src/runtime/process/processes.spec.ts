import { describe, expect, it } from '@jest/globals';
import { parsePs, parseStat, plainStart } from './processes.js';

const rest = 'S 1 100 90 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 200';

describe('reading the process table', () => {
  it.each([
    ['sh', `42 (sh) ${rest}`],
    ['a name with spaces and parentheses', `42 (a) b (c)) ${rest}`],
  ])('finds parent, group, session and start time: %s', (_what, line) => {
    expect(parseStat(line)).toEqual({ pid: 42, parent: 1, group: 100, session: 90, start: '123456', isZombie: false });
  });

  it('knows the dead that nobody has looked at', () => {
    expect(parseStat(`42 (sh) ${rest.replace('S', 'Z')}`)?.isZombie).toBe(true);
  });

  it('takes nothing from what is no line of it', () => {
    expect(parseStat('')).toBeUndefined();
    expect(parsePs('')).toBeUndefined();
  });

  it('reads what ps tells', () => {
    expect(parsePs('  42     1    40 Ss   Sat Nov 21 10:11:12 2026    ')).toEqual({
      pid: 42,
      parent: 1,
      group: 40,
      session: 0,
      start: plainStart('Sat Nov 21 10:11:12 2026'),
      isZombie: false,
    });
  });
});
