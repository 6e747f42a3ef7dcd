import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { misfitOf } from './fit-text.js';

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown;

describe('what a row cannot hold', () => {
  it.each(['\0', 'a\0b', ['\0'], { a: { b: ['x\0'] } }, { 'a\0': 1 }, '\ud800', { '\udc00': 1 }])('is %j', (value) => {
    expect(misfitOf(value)).toMatch(/NUL|surrogate/);
  });

  it('is what is nested without end, however deep', () => {
    expect(misfitOf(nested(200))).toBeUndefined();
    expect(misfitOf(nested(201))).toMatch('more than 200 deep');
    expect(misfitOf(nested(100_000))).toMatch('more than 200 deep');
  });

  it('is no other JSON value', () => {
    const fine = fc.jsonValue({ stringUnit: 'grapheme' }).filter((value) => !JSON.stringify(value).includes('\\u0000'));
    fc.assert(fc.property(fine, (value) => misfitOf(value) === undefined));
  });
});
