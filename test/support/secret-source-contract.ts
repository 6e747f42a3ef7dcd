import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ReadThrough } from '../../src/credentials/read-through.js';
import { SourceError, type SecretOwner, type SecretSource } from '../../src/credentials/secret-source.js';
import type { JsonValue } from '../../src/model/index.js';
import { Settings, systemClock, type Clock } from '../../src/platform/index.js';
import { silent } from './engine-world.js';
import type { Answer } from './http-double.js';

/** What the contract needs to know of one kind of source. */
export interface SecretSubject {
  start(): Promise<SecretSource>;
  stop?(): Promise<void>;
  /** Makes `name` a secret of team `main`, or of its pipeline `web`. */
  put(owner: 'team' | 'pipeline', name: string, value: JsonValue): void | Promise<void>;
  /** Absent for a source on this machine. */
  readonly remote?: {
    /** The next requests get these answers. */
    trouble(...answers: Answer[]): void;
    /** Reading the secret of the team is forbidden. */
    forbid(name: string): void;
    requests(): number;
  };
  /** What it has been given to come in with. */
  readonly credentials?: readonly string[];
}

const WEB: SecretOwner = { teamName: 'main', pipelineName: 'web' };
const TEAM: SecretOwner = { teamName: 'main' };

/** A reader of the source that asks again at once. */
export function readerOf(
  source: SecretSource,
  settings: Partial<Settings> = {},
  clock: Clock = systemClock,
): ReadThrough {
  return new ReadThrough(source, new Settings({ secretRetryIntervalMs: 1, ...settings }), clock, silent);
}

/** What must hold for every source with places of teams and pipelines. */
export function secretSourceContract(kind: string, subject: SecretSubject): void {
  describe(`${kind} as a source of vars`, () => {
    let source: SecretSource;
    let names = 0;
    let name: string;
    beforeAll(async () => {
      source = await subject.start();
    });
    afterAll(() => subject.stop?.());
    beforeEach(() => {
      name = `var-${++names}`;
    });
    const find = async (owner: SecretOwner, wanted = name) => (await readerOf(source).find(wanted, owner))?.value;

    it('has the values of a pipeline before those of its team, and of no other', async () => {
      await subject.put('team', name, 'of the team');
      await subject.put('pipeline', name, 'of the pipeline');
      expect(await find(WEB)).toBe('of the pipeline');
      expect(await find({ teamName: 'main', pipelineName: 'api' })).toBe('of the team');
      expect(await find(TEAM)).toBe('of the team');
      expect(await find({ teamName: 'others', pipelineName: 'web' })).toBeUndefined();
      expect(await find(WEB, 'absent')).toBeUndefined();
    });

    it('has values with structure', async () => {
      await subject.put('team', name, { user: 'ann', password: 'deep-secret' });
      expect(await find(WEB)).toEqual({ user: 'ann', password: 'deep-secret' });
    });

    it('keeps the text of a value to the letter', async () => {
      const key = '-----BEGIN KEY-----\nabc=\n-----END KEY-----';
      await subject.put('team', name, key);
      expect(await find(TEAM)).toBe(key);
    });

    it.each(['../others/x', '../../etc/passwd', '/etc/passwd', 'a/../x', 'a//b', '.', '..'])(
      'has no place for a name that leads out of those of its owner: %s',
      (wanted) => {
        expect(source.places(wanted, WEB)).toEqual([]);
      },
    );

    it('has no place for owners whose names lead elsewhere', () => {
      expect(source.places('x', { teamName: '../others' })).toEqual([]);
    });

    it('says that it is well', async () => {
      const { method, error } = await source.health();
      expect([method === '', error]).toEqual([false, undefined]);
    });

    const { remote } = subject;
    if (remote === undefined) return;

    it('is asked again after answers of trouble', async () => {
      await subject.put('team', name, 'patient');
      remote.trouble({ status: 503 }, { status: 500, body: '{}' });
      expect(await find(TEAM)).toBe('patient');
    });

    it('is asked again after a broken connection', async () => {
      await subject.put('team', name, 'patient');
      remote.trouble({ body: '{"never": "whole"}', breakAfter: 3 });
      expect(await find(TEAM)).toBe('patient');
    });

    it('is given up after so many attempts, with the reason', async () => {
      remote.trouble(...Array.from({ length: 3 }, () => ({ status: 503 })));
      const before = remote.requests();
      const failure = readerOf(source, { secretRetryAttempts: 3 }).find(name, TEAM);
      await expect(failure).rejects.toThrow(/503.*\(looked at .*, asked 3 times\)/s);
      expect(remote.requests() - before).toBe(3);
    });

    it('that gives no answer is not waited for', async () => {
      remote.trouble({ isSilent: true });
      const failure = readerOf(source, { secretRetryAttempts: 1 }).find(name, TEAM);
      await expect(failure).rejects.toThrow('gave no answer within 0.5 s');
    });

    it('that forbids is not asked again, and its reason holds no secret', async () => {
      await subject.put('team', name, 'hidden-value');
      remote.forbid(name);
      const error: unknown = await readerOf(source)
        .find(name, TEAM)
        .catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(SourceError);
      const { message, isPassing } = error as SourceError;
      expect([isPassing, message]).toEqual([false, expect.stringMatching(/403|AccessDenied/)]);
      for (const secret of ['hidden-value', ...(subject.credentials ?? [])]) expect(message).not.toContain(secret);
    });

    it('tells its settings without secrets', () => {
      const shown = JSON.stringify([source.settings, source.title]);
      for (const secret of subject.credentials ?? []) expect(shown).not.toContain(secret);
    });

    it('says that it is not well', async () => {
      remote.trouble({ status: 500 }, { status: 500 }, { status: 500 });
      expect((await source.health()).error).toMatch(/500/);
      remote.trouble(); // what is left is of no other test
    });

    it('is asked each time unless values are kept, and then for as long as the settings say', async () => {
      await subject.put('team', name, 'first');
      let now = 0;
      const clock = { now: () => new Date(now), random: () => 0 };
      const kept = readerOf(source, { secretCacheMs: 60_000, secretCacheNotFoundMs: 10_000 }, clock);
      const look = async () => (await kept.find(name, TEAM))?.value;
      expect([await look(), await find(TEAM)]).toEqual(['first', 'first']);
      await subject.put('team', name, 'second');
      now = 59_999;
      expect([await look(), await find(TEAM)]).toEqual(['first', 'second']);
      now = 60_000;
      expect(await look()).toBe('second');
    });

    it('is asked again for what was missing after its own time', async () => {
      let now = 0;
      const clock = { now: () => new Date(now), random: () => 0 };
      const kept = readerOf(source, { secretCacheMs: 60_000, secretCacheNotFoundMs: 10_000 }, clock);
      const look = async () => (await kept.find(name, TEAM))?.value;
      expect(await look()).toBeUndefined();
      await subject.put('team', name, 'there now');
      now = 9_999;
      expect(await look()).toBeUndefined();
      now = 10_000;
      expect(await look()).toBe('there now');
    });
  });
}
