import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '../../model/index.js';
import { firstOf, interpolate, InterpolationError, lookupIn, parseReference, varsIn } from './index.js';

const vars = {
  name: 'repo',
  count: 3,
  list: ['a', 'b'],
  map: { field: 'deep', 'dotted.key': { inner: 1 } },
  no: false,
  nothing: null,
  again: '((name))',
};
const fill = (value: JsonValue) => interpolate(value, lookupIn(vars), { mode: 'template' });

describe('filling in vars', () => {
  it.each<[string, JsonValue, JsonValue]>([
    ['takes a whole value with its type', '((count))', 3],
    ['takes a whole value with its structure', '((list))', ['a', 'b']],
    ['takes false and null as values', ['((no))', '((nothing))'], [false, null]],
    ['puts text and numbers inside text', 'x-((name))-((count))', 'x-repo-3'],
    ['follows fields', '((map.field))', 'deep'],
    ['takes dots in quotes as part of a name', '((map."dotted.key".inner))', 1],
    ['fills in keys', { '((name))-key': 1 }, { 'repo-key': 1 }],
    ['does not look again at what it filled in', '((again))', '((name))'],
    ['leaves unknown vars as they are written', 'a ((unknown)) b', 'a ((unknown)) b'],
    ['leaves text that is no var alone', '((not a var)) (( name )) ((a..b))', '((not a var)) (( name )) ((a..b))'],
    ['asks no map for a var with a source', '((vault:name))', '((vault:name))'],
  ])('%s', (_rule, value, expected) => {
    expect(fill(value).value).toEqual(expected);
  });

  it.each([
    ['x-((list))', "cannot interpolate non-primitive value of var 'list'"],
    ['x-((no))', "cannot interpolate non-primitive value of var 'no'"],
    ['((map.absent))', "var 'map.absent' has no field 'absent'"],
    ['((name.field))', "var 'name.field' has no field 'field'"],
  ])('refuses %s', (value, message) => {
    expect(() => fill({ deep: [value] })).toThrow(message);
  });

  it('tells where the refused text stands', () => {
    const failure = (() => {
      try {
        return fill({ deep: ['ok', 'x-((list))'] });
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toBeInstanceOf(InterpolationError);
    expect((failure as InterpolationError).path).toEqual(['deep', 1]);
  });

  it('names every unknown var once', () => {
    expect(fill(['((u))', '((src:v.w)) ((u))']).undefinedVars).toEqual(['u', 'src:v.w']);
  });

  it('makes unknown vars an error in the run stage, all at once', () => {
    expect(() => interpolate(['((u))', '((v))', '((name))'], lookupIn(vars), { mode: 'run' })).toThrow(
      'undefined vars: u, v',
    );
  });

  it('takes the first lookup that knows the var', () => {
    const lookup = firstOf(lookupIn({ a: 1 }), lookupIn({ a: 2, b: 2 }));
    expect(interpolate(['((a))', '((b))'], lookup, { mode: 'run' }).value).toEqual([1, 2]);
  });

  it('lists every var that a value mentions', () => {
    expect(varsIn({ '((k))': ['((s:p.f)) ((k))'] }).map(({ text }) => text)).toEqual(['k', 's:p.f']);
  });
});

describe('reading a reference', () => {
  it.each([
    ['name', { path: 'name', fields: [] }],
    ['.:repo.commit', { source: '.', path: 'repo', fields: ['commit'] }],
    ['src:a/b.c', { source: 'src', path: 'a/b', fields: ['c'] }],
    ['src:"my.secret"."field:1"', { source: 'src', path: 'my.secret', fields: ['field:1'] }],
    ['a:b:c', { source: 'a', path: 'b:c', fields: [] }],
  ])('%s', (text, expected) => {
    expect(parseReference(text)).toEqual({ ...expected, text });
  });

  it.each(['a..b', '.a', 'a.', '"open', 'a"b'])('does not take %s', (text) => {
    expect(parseReference(text)).toBeUndefined();
  });
});
