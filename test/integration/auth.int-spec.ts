import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
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

describe('a role', () => {
  const setRole = (holders: unknown): Promise<unknown> =>
    t.db.query(`update teams set auth = $1 where name = 'watched'`, [JSON.stringify({ viewer: holders })]);
  const mine = { users: ['local:ana'], groups: [] };
  const noMore = { users: ['local:somebody'], groups: [] };

  it('that is taken away counts at once, on every server', async () => {
    await t.db.query(`insert into teams (name, auth) values ('watched', '{}')`);
    const servers = [newService(), newService()];
    const { token } = await auth.issue({ connector: 'local', subject: 'ana', name: 'ana', email: '', groups: [] });
    const seen = (): Promise<(readonly string[] | undefined)[]> =>
      Promise.all(servers.map(async (server) => (await server.access(token))?.roles['watched']));
    for (const [holders, roles] of [
      [mine, ['viewer']],
      [noMore, undefined],
      [mine, ['viewer']],
    ] as const) {
      await setRole(holders);
      expect(await seen()).toEqual([roles, roles]);
    }
    await t.db.query(`update teams set name = 'renamed' where name = 'watched'`);
    expect(await seen()).toEqual([undefined, undefined]);
    await t.db.query(`update teams set name = 'watched' where name = 'renamed'`);
    expect(await seen()).toEqual([['viewer'], ['viewer']]);
    await t.db.query(`delete from teams where name = 'watched'`);
    expect(await seen()).toEqual([undefined, undefined]);
  });

  it('counts from the moment at which its change is committed, whatever was read meanwhile', async () => {
    await t.db.query(`insert into teams (name, auth) values ('watched', $1)`, [JSON.stringify({ viewer: mine })]);
    const { token } = await auth.issue({ connector: 'local', subject: 'ana', name: 'ana', email: '', groups: [] });
    const roles = async (): Promise<unknown> => (await auth.access(token))?.roles['watched'];
    await t.db.tx(async (tx) => {
      await tx.query(`update teams set auth = '{}' where name = 'watched'`);
      expect(await roles()).toEqual(['viewer']);
    });
    expect(await roles()).toBeUndefined();
  });

  it('is read again only when some team has changed', async () => {
    const { token } = await auth.issue({ connector: 'local', subject: 'ana', name: 'ana', email: '', groups: [] });
    const teams = (await auth.access(token))?.visibleTeams;
    const read = jest.spyOn(t.db, 'query');
    try {
      await auth.access(token);
      expect(read.mock.calls.length).toBe(1);
      await t.db.query(`update teams set auth = auth where name = 'main'`);
      read.mockClear();
      expect((await auth.access(token))?.visibleTeams).toEqual(teams);
      expect(read.mock.calls.length).toBe(2);
    } finally {
      read.mockRestore();
    }
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
