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
  ])('%s', (_form, text) => {
    const hidden = new Redactor([SECRET]).redact(text);
    expect(hidden).toContain('((redacted))');
    expect(hidden).not.toContain(SECRET);
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
