import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Redactor, secretsIn } from './redactor.js';

const SECRET = 's3cr"t/+wörd';

describe('hiding secrets', () => {
  it.each([
    ['as it is', `x ${SECRET} y`],
    ['as JSON', `{"password":${JSON.stringify(SECRET)}}`],
    ['in a URL', `https://u:${encodeURIComponent(SECRET)}@host`],
    ['in base64', Buffer.from(SECRET).toString('base64')],
    ['in base64 after one byte', Buffer.from(`a${SECRET}b`).toString('base64')],
    ['in base64 after a user name', Buffer.from(`user:${SECRET}`).toString('base64')],
    ['in base64url', Buffer.from(SECRET).toString('base64url')],
    ['as JSON of ASCII only', '"s3cr\\"t/+w\\u00f6rd"'],
    ['in a URL with small digits', encodeURIComponent(SECRET).toLowerCase()],
  ])('%s', (_form, text) => {
    const hidden = new Redactor([SECRET]).redact(text);
    expect(hidden).toContain('((redacted))');
    expect(hidden).not.toContain(SECRET);
  });

  it.each([
    ['JSON as Go writes it', 'a<b>&c', '"a\\u003cb\\u003e\\u0026c"', '"((redacted))"'],
    ['a form in a URL', "it's a secret", 'q=it%27s+a+secret', 'q=((redacted))'],
    ['base64 of four characters', 'pA55', 'cEE1NQ==', '((redacted))=='],
  ])('%s', (_form, secret, text, hidden) => {
    expect(new Redactor([secret]).redact(text)).toBe(hidden);
  });

  it('hides a long one in base64 with line breaks', () => {
    const secret = 'correct horse battery staple '.repeat(5);
    const lines =
      Buffer.from(secret)
        .toString('base64')
        .match(/.{1,76}/g) ?? [];
    expect(new Redactor([secret]).redact(lines.join('\n'))).toMatch(/^(\(\(redacted\)\)\n?)+=*$/);
  });

  it('hides those that overlap together', () => {
    expect(new Redactor(['xabc', 'abcdefgh', 'ghij']).redact('-xabcdefghij-')).toBe('-((redacted))-');
  });

  it('hides each line of a key', () => {
    const key = '-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----\n';
    expect(new Redactor([key]).redact('printed: ijklmnop')).toBe('printed: ((redacted))');
  });

  it('ignores what is too short to be one', () => {
    expect(new Redactor(['abc', '']).redact('abc')).toBe('abc');
  });

  it('reaches every text of an event and leaves its shape', () => {
    const event = { event: 'log', data: { time: 1, origin: { id: 'a' }, args: ['token-1234'] } };
    expect(new Redactor(['token-1234']).redact(event)).toEqual({
      ...event,
      data: { ...event.data, args: ['((redacted))'] },
    });
  });

  it('never lets a secret of four or more characters through', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4, maxLength: 40 }), fc.string(), fc.string(), (secret, before, after) => {
        fc.pre(!'((redacted))'.includes(secret));
        const redactor = new Redactor([secret]);
        const hidden = redactor.redact(before + secret + after);
        // What is left may only contain it where the mask itself and its surroundings happen to make it up.
        expect(hidden.split('((redacted))').some((part) => part.includes(secret))).toBe(false);
      }),
    );
  });
});

const overlapping = fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 4, maxLength: 7 }), {
  minLength: 1,
  maxLength: 4,
});

/** Texts that are stored one after the other, each ending where nothing is open. */
function storeInPieces(redactor: Redactor, text: string, sizes: readonly number[]): string {
  let [stored, held] = ['', ''];
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    held += text.slice(at, at + size);
    at += size;
    const closed = held.length - redactor.openEnd(held);
    stored += redactor.redact(held.slice(0, closed));
    held = held.slice(closed);
  }
  return stored + redactor.redact(held);
}

describe('several secrets', () => {
  it('are hidden, however they overlap and wherever the text is cut', () => {
    fc.assert(
      fc.property(
        overlapping,
        fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        (secrets, text, sizes) => {
          const parts = storeInPieces(new Redactor(secrets), text, sizes).split('((redacted))');
          expect(parts.filter((part) => secrets.some((secret) => part.includes(secret)))).toEqual([]);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('do not hold back a text without an end', () => {
    const redactor = new Redactor(['aaaa']);
    expect(redactor.openEnd('a'.repeat(10_000))).toBe(10_000);
    expect(redactor.openEnd('a'.repeat(20_000))).toBe(0);
  });
});

describe('secrets in a source', () => {
  it('are values under telling keys, at any depth, and passwords of URLs', () => {
    const source = {
      uri: 'https://me:url-pass@host/repo',
      username: 'me',
      password: 'pass-word',
      private_key: 'key',
      nested: { access_token: 'tok', list: [{ client_secret: 'cs' }] },
    };
    expect(secretsIn(source).sort()).toEqual(['cs', 'key', 'pass-word', 'tok', 'url-pass']);
  });
});
