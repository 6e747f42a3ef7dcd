import { describe, expect, it } from '@jest/globals';
import { bumpNumber, numberText, parseNumber, type Bump } from './bump.js';

const table: readonly (readonly [string, Bump, string])[] = [
  ['1.2.3', { bump: 'major' }, '2.0.0'],
  ['1.2.3', { bump: 'minor' }, '1.3.0'],
  ['1.2.3', { bump: 'patch' }, '1.2.4'],
  ['1.2.3-rc.4+b.1', { bump: 'final' }, '1.2.3'],
  ['2.0.0-rc.1', { bump: 'major' }, '3.0.0'],
  ['1.2.3-rc.1', { bump: 'patch' }, '1.2.4'],
  ['1.2.3', { pre: 'rc' }, '1.2.3-rc.1'],
  ['1.2.3-rc.1', { pre: 'rc' }, '1.2.3-rc.2'],
  ['1.2.3-rc.9', { pre: 'rc' }, '1.2.3-rc.10'],
  ['1.2.3-alpha.7', { pre: 'beta' }, '1.2.3-beta.1'],
  ['1.2.3-rc', { pre: 'rc' }, '1.2.3-rc.1'],
  ['1.2.3-rc.1.5', { pre: 'rc.1' }, '1.2.3-rc.1.6'],
  ['1.2.3-rc.1', { bump: 'minor', pre: 'rc' }, '1.3.0-rc.1'],
  ['1.2.3-rc.4', { pre: 'rc', pre_without_version: true }, '1.2.3-rc'],
  ['1.2.3', { build: 'sha' }, '1.2.3+sha.1'],
  ['1.2.3+sha.1', { build: 'sha' }, '1.2.3+sha.2'],
  ['1.2.3-rc.1+sha.1', { build: 'sha' }, '1.2.3-rc.1+sha.2'],
  ['1.2.3+sha.1', { build: 'abc', build_without_version: true }, '1.2.3+abc'],
  ['1.2.3+sha.1', { bump: 'patch' }, '1.2.4'],
  ['1.2.3', {}, '1.2.3'],
];

describe('bump', () => {
  it.each(table)('%s by %j is %s', (from, bump, to) => {
    expect(bumpNumber(parseNumber(from)!, bump)).toBe(to);
    expect(numberText(parseNumber(to)!)).toBe(to);
  });

  it.each(['', 'v1.2.3', '1.2', '01.2.3', 'x', '1.2.3-01'])('%j is no number', (text) => {
    expect(parseNumber(text)).toBeUndefined();
  });
});
