import { createHash, timingSafeEqual } from 'node:crypto';
import { bearerToken } from './token.js';

export const SESSION_COOKIE = 'skymarshal_auth';
export const CSRF_COOKIE = 'skymarshal_csrf';

/** The token of a browser's session; undefined when there is none. */
export function sessionToken(cookies: string | undefined): string | undefined {
  return bearerToken(cookieOf(cookies, SESSION_COOKIE));
}

/** The token of a request, in whichever way it comes: the header counts more than the session. */
export function presentedToken(authorization: string | undefined, cookies: string | undefined): string | undefined {
  return bearerToken(authorization) ?? sessionToken(cookies);
}

/** What a page must send in `X-Csrf-Token` with every change: it follows from the session, so another's is of no use. */
export function csrfToken(token: string): string {
  return createHash('sha256').update(`weir csrf:${token}`).digest('base64url');
}

/** Does the request prove that a page of ours made it? Header and cookie must both be those of the session. */
export function provesOrigin(token: string, header: string | undefined, cookies: string | undefined): boolean {
  const expected = csrfToken(token);
  return isSameText(header ?? '', expected) && isSameText(cookieOf(cookies, CSRF_COOKIE) ?? '', expected);
}

/** `Set-Cookie` values that begin a session. The value is quoted as it holds a space; it ends with the browser or its token. */
export function sessionCookies(token: string, isSecure: boolean): string[] {
  const rest = attributes(isSecure);
  return [`${SESSION_COOKIE}="bearer ${token}"; ${rest}`, `${CSRF_COOKIE}=${csrfToken(token)}; ${rest}`];
}

/** `Set-Cookie` values that end it. */
export function clearedCookies(isSecure: boolean): string[] {
  return [SESSION_COOKIE, CSRF_COOKIE].map((name) => `${name}=; Max-Age=0; ${attributes(isSecure)}`);
}

/** How every cookie of ours is set. */
export function attributes(isSecure: boolean): string {
  return `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
}

/** One cookie's value. Go puts a value with a space in double quotes. */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(/; */)) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

/** Takes the same time wherever the texts differ. */
export function isSameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
