import { describe, expect, it } from '@jest/globals';
import { clearedCookies, cookieOf, csrfToken, provesOrigin, sessionCookies, sessionToken } from './session.js';

describe('a session', () => {
  it('is a bearer token in a cookie, quoted as it holds a space', () => {
    const [auth = '', csrf = ''] = sessionCookies('abc', true);
    expect(auth).toBe('skymarshal_auth="bearer abc"; Path=/; HttpOnly; SameSite=Lax; Secure');
    expect(csrf).toMatch(/^skymarshal_csrf=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
    expect(sessionToken(`x=y; ${auth.split(';')[0]}`)).toBe('abc');
    expect(sessionCookies('abc', false).join()).not.toContain('Secure');
  });

  it.each([undefined, '', 'skymarshal_auth=abc', 'skymarshal_auth="basic abc"', 'skymarshal_auth', 'a; =b'])(
    'is not %j',
    (header) => {
      expect(sessionToken(header)).toBeUndefined();
    },
  );

  it('is ended by empty cookies of both names', () => {
    expect(clearedCookies(false)).toEqual([
      'skymarshal_auth=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax',
      'skymarshal_csrf=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax',
    ]);
  });

  it('takes the first of two cookies of one name, and no part of a name', () => {
    expect(cookieOf('xskymarshal_auth=1; a=2; a=3', 'a')).toBe('2');
    expect(cookieOf('xa=1', 'a')).toBeUndefined();
  });

  it('is proven by header and cookie together, and not by those of another session', () => {
    const cookie = (value: string): string => `skymarshal_csrf=${value}`;
    const [mine, other] = [csrfToken('mine'), csrfToken('other')];
    expect(mine).not.toContain('mine');
    expect(provesOrigin('mine', mine, cookie(mine))).toBe(true);
    expect(provesOrigin('mine', mine, undefined)).toBe(false);
    expect(provesOrigin('mine', undefined, cookie(mine))).toBe(false);
    expect(provesOrigin('mine', other, cookie(other))).toBe(false);
  });
});
