import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BuildEvent } from '../model/index.js';
import { Redactor } from '../events/index.js';
import { LogCutter, MAX_EVENT_BYTES } from './log-cutter.js';

const payloads = (events: readonly BuildEvent[]): string[] =>
  events.map(({ data }) => ('payload' in data ? data.payload : ''));
const noSecrets = new Redactor();

describe('cutting output into events', () => {
  it('gives whole lines and keeps the unfinished one', () => {
    const cutter = new LogCutter('1', noSecrets);
    cutter.push('stdout', Buffer.from('one\ntwo\nthr'));
    expect(payloads(cutter.take('lines', 0))).toEqual(['one\ntwo\n']);
    cutter.push('stdout', Buffer.from('ee\n'));
    expect(payloads(cutter.take('lines', 0))).toEqual(['three\n']);
  });

  it('gives an unfinished line to those who wait, but never half a character', () => {
    const cutter = new LogCutter('1', noSecrets);
    cutter.push('stdout', Buffer.from('50 €').subarray(0, -1));
    expect(payloads(cutter.take('runes', 0))).toEqual(['50 ']);
    cutter.push('stdout', Buffer.from('€').subarray(-1));
    expect(payloads(cutter.take('runes', 0))).toEqual(['€']);
  });

  it('keeps the order of the streams as their lines ended', () => {
    const cutter = new LogCutter('1', noSecrets);
    cutter.push('stdout', Buffer.from('a\n'));
    cutter.push('stderr', Buffer.from('b\n'));
    cutter.push('stdout', Buffer.from('c\n'));
    expect(payloads(cutter.take('lines', 0))).toEqual(['a\n', 'b\n', 'c\n']);
  });

  it('holds back what may be the beginning of a secret', () => {
    const redactor = new Redactor(['hunter22']);
    const cutter = new LogCutter('1', redactor);
    cutter.push('stdout', Buffer.from('the password is hunt'));
    expect(payloads(cutter.take('runes', 0))).toEqual(['the password is ']);
    cutter.push('stdout', Buffer.from('er22'));
    expect(payloads(cutter.take('all', 0))).toEqual(['((redacted))']);
  });

  it('makes no event larger than the limit', () => {
    const cutter = new LogCutter('1', noSecrets);
    cutter.push('stdout', Buffer.alloc(3 * MAX_EVENT_BYTES + 7, 'é'));
    const texts = payloads(cutter.take('all', 0));
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeLessThanOrEqual(MAX_EVENT_BYTES);
    expect(texts.join('')).not.toContain('\ufffd'.repeat(2));
  });

  it('hides a secret where an event that is full ends', () => {
    const cutter = new LogCutter('1', new Redactor(['hunter22']));
    cutter.push('stdout', Buffer.from(`${'x'.repeat(MAX_EVENT_BYTES - 4)}hunter22${'y'.repeat(100)}`));
    const told = payloads(cutter.take('all', 0)).join('');
    expect(told).toBe(`${'x'.repeat(MAX_EVENT_BYTES - 4)}((redacted))${'y'.repeat(100)}`);
  });

  it('hides a secret of several short lines, however they come', () => {
    const cutter = new LogCutter('1', new Redactor(['ab\ncd\nef']));
    const told = [...'xab\ncd\nef\nab\ncx\n'].flatMap((char) => {
      cutter.push('stdout', Buffer.from(char));
      return payloads(cutter.take('runes', 0));
    });
    expect([...told, ...payloads(cutter.take('all', 0))].join('')).toBe('x((redacted))\nab\ncx\n');
  });

  it('loses and repeats nothing, however the bytes come and wherever a crash falls', () => {
    const piece = fc.oneof(fc.constant('\n'), fc.string({ unit: 'grapheme', maxLength: 20 }));
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.nat({ max: 12 }), { minLength: 1 }),
        fc.array(fc.constantFrom('lines', 'runes', 'crash', 'nothing'), { minLength: 1 }),
        (pieces, sizes, actions) => {
          const bytes = Buffer.from(pieces.join(''));
          let cutter = new LogCutter('1', noSecrets);
          const told: string[] = [];
          for (let at = 0, step = 0; at < bytes.length; step++) {
            const size = 1 + (sizes[step % sizes.length] ?? 0);
            cutter.push('stdout', bytes.subarray(at, at + size));
            at += size;
            const action = actions[step % actions.length] ?? 'nothing';
            if (action === 'crash') {
              told.push(...payloads(cutter.take('lines', 0)));
              cutter = new LogCutter('1', noSecrets, cutter.rest);
            } else if (action !== 'nothing') {
              told.push(...payloads(cutter.take(action, 0)));
            }
          }
          told.push(...payloads(cutter.take('all', 0)));
          expect(told.join('')).toBe(bytes.toString());
        },
      ),
    );
  });
});
