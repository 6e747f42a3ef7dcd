import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ResourceFailure,
  type ResourceType,
  type ServerDoor,
  type StepContext,
  type Version,
} from '../../src/resources/contract.js';
import { parseInput } from '../../src/resources/parse-input.js';
import { eventually, processesWith } from './processes.js';

/** What the contract suite needs to know about one resource type. */
export interface ContractSubject {
  /** Keys that the type does not know mean nothing, instead of a mistake. */
  readonly letsKeysThrough?: true;
  readonly type: ResourceType;
  /** A source with at least one version. It must stay unchanged while a test runs, but for {@link advance}. */
  source(): Promise<unknown>;
  /** Makes a newer version appear, by the outside world. */
  advance(): Promise<void>;
  /** Prepares the inputs of a put in the folder. @returns the put's params. */
  preparePut(dir: string): Promise<unknown>;
  /** A source whose check does not end, if there can be one; `marker` is in the arguments or environment of its processes. */
  hang?(): Promise<{ source: unknown; marker: string; isStarted(): boolean; close(): Promise<void> }>;
  now?(): Date;
}

/** A context as the server gives it, with a log that can be read. */
export function stepContext(
  cacheDir: string,
  more: { signal?: AbortSignal; now?: () => Date; env?: Record<string, string>; server?: ServerDoor } = {},
): StepContext & { text(): string } {
  const log: string[] = [];
  return {
    signal: more.signal ?? new AbortController().signal,
    cacheDir,
    env: more.env ?? {},
    log: (text) => void log.push(text),
    now: more.now ?? (() => new Date()),
    server: more.server ?? openDoor,
    text: () => log.join(''),
  };
}

/** The door of a server that opens every folder and has no pipelines. */
export const openDoor: ServerDoor = {
  opensEveryFolder: true,
  refusalOfFolder: () => Promise.resolve(undefined),
  endedBuilds: () => Promise.reject(new ResourceFailure('there are no pipelines')),
  buildFacts: () => Promise.reject(new ResourceFailure('there are no pipelines')),
};

/** SHA-256 of every file by path, for comparing folders; whatever `.git` folders hold for themselves is left out. */
export function filesOf(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/(^|\/)\.git(\/|$)/.test(path) || HELPER_FILES.test(path))
    .filter((path) => statSync(join(dir, path)).isFile());
  return Object.fromEntries(
    files.toSorted().map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(dir, path)))
        .digest('hex'),
    ]),
  );
}

const HELPER_FILES = /^\.git\/(ref|commit|short_ref|branch|author\w*|commit\w*|describe_ref|url|tags|metadata\.json)$/;

/** The promises of {@link ResourceType}, for one type. */
export function describeResourceTypeContract(subject: ContractSubject): void {
  const { type } = subject;
  describe(`resource type ${type.name} keeps the contract`, () => {
    let base: string;
    let context: StepContext;
    let source: unknown;
    const folder = () => mkdtempSync(join(base, 'folder-'));
    const check = async (version?: Version) => type.check(context, { source, ...(version && { version }) });
    const put = async () => {
      const dir = folder();
      const params = parseInput(type.schema.putParams, await subject.preparePut(dir), 'params');
      return () => type.put(context, { source, params, dir });
    };

    beforeEach(async () => {
      base = mkdtempSync(join(tmpdir(), 'weir-test-contract-'));
      context = stepContext(join(base, 'cache'), { ...(subject.now && { now: () => subject.now!() }) });
      source = parseInput(type.schema.source, await subject.source(), 'source');
    });
    afterEach(() => rmSync(base, { recursive: true, force: true }));

    it('finds a version without a given one', async () => {
      expect(await check()).not.toHaveLength(0);
    });

    it('begins with the given version and puts newer ones behind it', async () => {
      const [first] = await check();
      await subject.advance();
      const versions = await check(first);
      expect(versions[0]).toEqual(first);
      const last = versions.at(-1)!;
      expect((await check(last))[0]).toEqual(last);
      expect(await check(first)).toEqual(versions);
    });

    it('gives the same answer while nothing changes', async () => {
      const last = (await check()).at(-1)!;
      expect(await check(last)).toEqual([last]);
      expect(await check(last)).toEqual([last]);
    });

    it('checks again after its cache was emptied', async () => {
      const last = (await check()).at(-1)!;
      rmSync(context.cacheDir, { recursive: true, force: true });
      expect(await check(last)).toEqual([last]);
    });

    it('gets the same files again, and the version it was asked for', async () => {
      const version = (await check()).at(-1)!;
      const params = parseInput(type.schema.getParams, undefined, 'params');
      const [one, two] = [folder(), folder()];
      const first = await type.get(context, { source, params, version, dir: one });
      await subject.advance();
      const second = await type.get(context, { source, params, version, dir: two });
      expect(first.version).toEqual(version);
      expect(second).toEqual(first);
      expect(Object.keys(filesOf(one))).not.toHaveLength(0);
      expect(filesOf(two)).toEqual(filesOf(one));
    });

    it('puts a version that check then finds and get fetches', async () => {
      const { version } = await (await put())();
      expect((await check(version))[0]).toEqual(version);
      const params = parseInput(type.schema.getParams, undefined, 'params');
      expect((await type.get(context, { source, params, version, dir: folder() })).version).toEqual(version);
    });

    it('gives the same version when a put is repeated', async () => {
      const repeated = await put();
      const first = await repeated();
      expect(await repeated()).toEqual(first);
    });

    if (!subject.letsKeysThrough)
      it('refuses an unknown key of source and params by its name', () => {
        for (const schema of [type.schema.source, type.schema.getParams, type.schema.putParams]) {
          expect(() => parseInput(schema, { no_such_key: 1 }, 'source of resource "x"')).toThrow(
            /^source of resource "x": .*no_such_key: unknown key/,
          );
        }
      });

    it('does nothing when it is aborted before it begins', async () => {
      const stopped = { ...context, signal: AbortSignal.abort(new Error('stopped')) };
      await expect(type.check(stopped, { source })).rejects.toThrow(/stopped|abort/);
    });

    if (subject.hang === undefined) return;
    it('stops a hanging check within a second and leaves no process behind', async () => {
      const hanging = await subject.hang!();
      try {
        const stop = new AbortController();
        const stoppable = stepContext(join(base, 'cache'), { signal: stop.signal });
        const checking = type
          .check(stoppable, { source: parseInput(type.schema.source, hanging.source, 'source') })
          .then(
            () => 'finished',
            (error: unknown) => error,
          );
        await eventually('the check has begun', () => hanging.isStarted());
        const reason = new Error('the deadline has passed');
        const abortedAt = performance.now();
        stop.abort(reason);
        const outcome = await checking;
        expect(outcome === reason || (outcome as Error).name === 'AbortError').toBe(true);
        expect(performance.now() - abortedAt).toBeLessThan(1000);
        await eventually('its processes are gone', () => processesWith(hanging.marker).length === 0, 1000);
      } finally {
        await hanging.close();
      }
    });
  });
}
