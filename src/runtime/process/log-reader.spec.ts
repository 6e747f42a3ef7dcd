import { describe, expect, it } from '@jest/globals';
import { wholeLength } from './log-reader.js';

const cut = (bytes: Buffer, evenUnfinished: boolean): string =>
  bytes.subarray(0, wholeLength(bytes, evenUnfinished)).toString();

describe('where a piece of a log ends', () => {
  it.each([
    ['whole lines', 'one\ntwo\n', 'one\ntwo\n'],
    ['a line and the beginning of another', 'one\ntw', 'one\n'],
    ['no line end', 'prompt> ', ''],
    ['nothing', '', ''],
  ])('is after the last line end: %s', (_what, text, expected) => {
    expect(cut(Buffer.from(text), false)).toBe(expected);
  });

  it.each([
    ['ascii', Buffer.from('prompt> '), 8],
    ['a whole character', Buffer.from('aü'), 3],
    ['half of two bytes', Buffer.from('aü').subarray(0, 2), 1],
    ['a third of three bytes', Buffer.from('a日').subarray(0, 2), 1],
    ['two thirds of three bytes', Buffer.from('a日').subarray(0, 3), 1],
    ['three quarters of four bytes', Buffer.from('a🚀').subarray(0, 4), 1],
    ['four of four bytes', Buffer.from('a🚀'), 5],
    ['only a beginning', Buffer.from('🚀').subarray(0, 2), 0],
    ['no UTF-8 at all', Buffer.alloc(9, 0x80), 9],
  ])('is after the last whole character when a line does not come to its end: %s', (_what, bytes, length) => {
    expect(wholeLength(bytes, true)).toBe(length);
  });
});
