import { expect, it } from '@jest/globals';
import { matchesAny } from './name-glob.js';

it.each([
  ['app', 'app', true],
  ['app', 'apps', false],
  ['app*', 'app', true],
  ['*', '', true],
  ['*-app', 'my-app', true],
  ['a*b*c', 'aXbYc', true],
  ['a*b*c', 'acb', false],
  ['ab*bc', 'abc', false],
  ['a.c', 'abc', false],
  ['a[b]c', 'abc', false],
])('%s and %s: %p', (glob, name, isMatch) => {
  expect(matchesAny([glob], name)).toBe(isMatch);
});

it('does not take long for many stars', () => {
  expect(matchesAny([`${'a*'.repeat(50)}b`], 'a'.repeat(5_000))).toBe(false);
});
