import { describe, expect, it } from '@jest/globals';
import { NOBODYS_HASH } from './password-queue.js';
import { hashPassword, isPasswordHash, matchesPassword, randomPassword } from './password.js';
import { bearerToken, newToken, tokenDigest } from './token.js';

describe('a token', () => {
  it('is unpadded standard base64 of 20 random bytes and the expiry as little-endian unix seconds', () => {
    const token = newToken(new Date('2026-11-22T10:00:00.900Z'));
    expect(token).toMatch(/^[A-Za-z0-9+/]{38}$/);
    const bytes = Buffer.from(token, 'base64');
    expect(bytes).toHaveLength(28);
    expect(bytes.readBigUInt64LE(20)).toBe(BigInt(Date.parse('2026-11-22T10:00:00Z') / 1000));
  });

  it('is never made twice', () => {
    const at = new Date(0);
    expect(new Set(Array.from({ length: 100 }, () => newToken(at))).size).toBe(100);
  });

  it('is stored as a digest that does not hold it', () => {
    expect(tokenDigest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER a+/b', 'a+/b'],
    ['Basic abc', undefined],
    ['Bearer', undefined],
    ['Bearer ', undefined],
    ['Bearer a b', undefined],
    [undefined, undefined],
  ])('is read from the header %p as %p', (header, token) => {
    expect(bearerToken(header)).toBe(token);
  });
});

describe('a password', () => {
  it('matches its own hash only', async () => {
    const hash = await hashPassword('correct horse');
    expect(hash).not.toContain('horse');
    expect(await matchesPassword('correct horse', hash)).toBe(true);
    expect(await matchesPassword('correct horsf', hash)).toBe(false);
  });

  it('has another hash each time, so that equal passwords do not show', async () => {
    expect(await hashPassword('x')).not.toBe(await hashPassword('x'));
  });

  it('of an unknown user costs as much as that of a known one', async () => {
    const cost = (hash: string): string[] => hash.split('$').slice(0, 4);
    expect(cost(NOBODYS_HASH)).toEqual(cost(await hashPassword('x')));
    expect(await matchesPassword('', NOBODYS_HASH)).toBe(false);
  });

  it('is told from its hash', async () => {
    expect(isPasswordHash(await hashPassword('x'))).toBe(true);
    for (const text of ['x', 'scrypt$x', 'scrypt$1$2$3$$', '']) expect(isPasswordHash(text)).toBe(false);
  });

  it('made by us holds 100 bits and no letters that look alike', () => {
    expect(randomPassword()).toMatch(/^([a-hj-km-np-tv-z0-9]{5}-){3}[a-hj-km-np-tv-z0-9]{5}$/);
  });
});
