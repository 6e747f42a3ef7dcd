import { describe, expect, it } from '@jest/globals';
import { evaluateCondition } from './index.js';
import { conditionFault } from './condition.js';

const world = {
  vars: { n: 3, half: 1.5, flag: true, nothing: null, list: ['a', 'b'], repo: { branch: 'main' } },
  versions: { repo: { ref: 'v1' } },
  results: { 'unit-test': 'failed' },
};

describe('a condition', () => {
  it.each([
    ['true', true],
    ['vars.flag', true],
    ['vars.n == 3 && vars.n + 1 == 4', true],
    ['vars.half > 1.0', true],
    ['vars.nothing == null', true],
    ['"a" in vars.list && size(vars.list) == 2', true],
    ['vars.list.exists(x, x == "c")', false],
    ['vars.repo.branch.startsWith("ma")', true],
    ['versions.repo.ref == "v1"', true],
    ['results["unit-test"] == "succeeded"', false],
    ['has(vars.gone) && vars.gone', false],
  ])('%s is %p', (text, expected) => expect(evaluateCondition(text, world)).toBe(expected));

  it.each([
    ['vars.gone', 'No such key: gone'],
    ['vars.constructor == 1', 'No such key: constructor'],
    ['vars.list.constructor == 1', 'No such key: constructor'],
    ['vars.n', 'is neither true nor false'],
  ])('cannot be told by %s', (text, message) => {
    expect(() => evaluateCondition(text, world)).toThrow(message);
  });

  it.each([
    ['gone == 1', 'Unknown variable: gone'],
    ['process.exit(1)', 'Unknown variable: process'],
    ['vars.x ==', 'Unexpected token: EOF'],
    ['((x))', 'Unknown variable: x'],
    ['', 'not a condition'],
    ['"text"', 'this is of type string'],
    ['vars.s.matches("(a+)+$")', 'matches() is not available'],
    ['vars.l.all(x, vars.l.all(y, true))', 'one list only'],
    [`${'!'.repeat(2_000)}true`, 'more than 1000 characters'],
    [`${'('.repeat(400)}true${')'.repeat(400)}`, 'not a condition'],
  ])('is refused as %s', (text, message) => expect(conditionFault(text)).toContain(message));
});
