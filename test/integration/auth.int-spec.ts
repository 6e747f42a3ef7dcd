import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AuthService,
  LocalConnector,
  LoginRefused,
  PasswordQueue,
  RolePolicy,
  TooManyLogins,
} from '../../src/auth/index.js';
import type { Clock } from '../../src/platform/index.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let auth: AuthService;
const newService = (): AuthService =>
  new AuthService(t.db, clock, [new LocalConnector(t.db, new PasswordQueue())], RolePolicy.standard);
let now: Date;
const clock: Clock = { now: () => now, random: () => 0.5 };
const later = (seconds: number): void => {
  now = new Date(now.getTime() + seconds * 1000);
};

beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());
beforeEach(async () => {
  now = new Date('2026-11-21T12:00:00Z');
  await t.db.query(`truncate users, tokens, login_attempts cascade`);
  auth = newService();
});

const firstUser = async (): Promise<{ name: string; password: string }> => (await auth.createFirstUser())!;

describe('the first user', () => {
  it('is made once, also by servers that start at the same time', async () => {
    const made = await Promise.all([1, 2, 3].map(() => newService().createFirstUser()));
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(await auth.createFirstUser()).toBeUndefined();
  });

  it('has a password that is kept hashed only', async () => {
    const { password } = await firstUser();
    const rows = await t.db.query(`select row_to_json(u)::text as text from users u`);
    expect(JSON.stringify(rows)).not.toContain(password);
  });
});

describe('logging in', () => {
  it('gives a token that names the user until 24 hours have passed', async () => {
    const { name, password } = await firstUser();
    const { token, expiresInSeconds } = await auth.login(name, password);
    expect(expiresInSeconds).toBe(86_400);
    expect(await auth.access(token)).toMatchObject({ name });
    later(86_399);
    expect(await auth.access(token)).toMatchObject({ name });
    later(1);
    expect(await auth.access(token)).toBeUndefined();
  });

  it('stores no token in a form that could be used', async () => {
    const { name, password } = await firstUser();
    const { token } = await auth.login(name, password);
    const rows = await t.db.query(`select row_to_json(t)::text as text from tokens t`);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it('refuses a wrong password and an unknown name with the same words', async () => {
    const { name, password } = await firstUser();
    await expect(auth.login(name, `${password}x`)).rejects.toThrow(LoginRefused);
    await expect(auth.login('nobody', password)).rejects.toThrow(new LoginRefused().message);
  });

  it('slows down guessing, more with every failure, and forgets it after a success', async () => {
    const { name, password } = await firstUser();
    for (let i = 0; i < 6; i++) await expect(auth.login(name, 'guess')).rejects.toThrow(LoginRefused);
    await expect(auth.login(name, password)).rejects.toThrow(TooManyLogins);
    later(1);
    await expect(auth.login(name, 'guess')).rejects.toThrow(LoginRefused);
    later(1);
    await expect(auth.login(name, password)).rejects.toMatchObject({ retryAfterSeconds: 1 });
    later(1);
    expect((await auth.login(name, password)).token).toBeTruthy();
    await expect(auth.login(name, 'guess')).rejects.toThrow(LoginRefused);
  });

  it('admits no more guesses when they come at the same time', async () => {
    await firstUser();
    const guesses = await Promise.allSettled(Array.from({ length: 12 }, () => auth.login('admin', 'guess')));
    const refused = guesses.filter((g) => g.status === 'rejected' && g.reason instanceof LoginRefused);
    expect(refused).toHaveLength(6);
  });
});

describe('logging out', () => {
  it('ends the token at once, and only that one', async () => {
    const { name, password } = await firstUser();
    const [one, two] = [await auth.login(name, password), await auth.login(name, password)];
    expect(await auth.logout(one.token)).toBe(true);
    expect(await auth.logout(one.token)).toBe(false);
    expect(await auth.access(one.token)).toBeUndefined();
    expect(await auth.access(two.token)).toMatchObject({ name });
  });
});
