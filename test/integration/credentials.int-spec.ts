import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { Checker } from '../../src/checking/index.js';
import type { CredentialsService } from '../../src/credentials/index.js';
import type { PipelineId, ResourceId } from '../../src/model/index.js';
import { parseReference, type VarReference } from '../../src/pipelines/index.js';
import { Metrics, Settings, systemClock } from '../../src/platform/index.js';
import type { ResourceType } from '../../src/resources/index.js';
import { credentialsOn } from '../support/credentials.js';
import { outputLines } from '../support/build-scenarios.js';
import { EngineWorld, silent } from '../support/engine-world.js';

const varsDir = mkdtempSync(path.join(os.tmpdir(), 'weir-vars-'));
const put = (name: string, text: string): void => {
  const file = path.join(varsDir, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
};
let world: EngineWorld;
let credentials: CredentialsService;
beforeAll(async () => {
  world = await EngineWorld.create();
  credentials = credentialsOn(world.db, { varsDir });
  world.credentials = credentials;
  world.engine(1).start();
});
afterAll(async () => {
  await world.close();
  rmSync(varsDir, { recursive: true });
});

const DUMMY =
  'var_sources: [{name: own, type: dummy, config: {vars: {word: own-secret-word, map: {field: deep-secret}}}}]';
const pipelineOf = (plan: string, more = ''): string =>
  `${more}\nresources: [{name: repo, type: scripted}]\njobs: [{name: j, plan: [{get: repo}, ${plan}]}]`;
const task = (...args: string[]): string =>
  `{task: t, config: {platform: linux, run: {path: print, args: ${JSON.stringify(args)}}}}`;
const run = async (yaml: string): Promise<{ status: string; lines: string[]; errors: string[]; stored: string }> => {
  const { id } = await world.start(await world.pipeline(yaml));
  const status = await world.finished(id);
  const events = await world.events(id);
  return {
    status,
    lines: outputLines(events, () => 'step'),
    errors: events.flatMap(({ data }) => ('message' in data ? [data.message] : [])),
    stored: JSON.stringify(events),
  };
};
const find = async (
  text: string,
  scope: { pipelineId?: PipelineId; pipelineName?: string } = { pipelineName: 'web' },
) => {
  const reference = parseReference(text) as VarReference;
  return (await credentials.fetch({ teamName: 'main', ...scope }, [reference])).get(text);
};

describe('the folder of vars', () => {
  it('has the values of a pipeline before those of its team, and of no other', async () => {
    put('main/web/key', 'of web\n');
    put('main/key', 'of main');
    put('main/team-only', 'two\nlines\n');
    put('others/foreign', 'x');
    expect(await find('key')).toBe('of web');
    expect(await find('key', { pipelineName: 'api' })).toBe('of main');
    expect(await find('key', {})).toBe('of main');
    expect(await find('team-only')).toBe('two\nlines');
    expect(await find('foreign')).toBeUndefined();
    expect(await find('absent')).toBeUndefined();
  });

  it('has values with structure in files that end with .yml', async () => {
    put('main/db.yml', 'user: ann\npassword: [1, 2]\n');
    put('main/bad.yml', '{secret-text');
    expect(await find('db.user')).toEqual({ user: 'ann', password: [1, 2] });
    await expect(find('bad')).rejects.toThrow("var 'bad': the folder of vars: its file is not valid YAML");
    await expect(find('bad')).rejects.not.toThrow('secret-text');
  });

  it.each(['"../others/foreign"', '"../../etc/passwd"', '"/etc/passwd"', '"web/../key"', '"web//key"', '"."', 'web'])(
    'is never left by a name: %s',
    async (name) => {
      expect(await find(name, { pipelineName: '..' })).toBeUndefined();
    },
  );

  it('says which var cannot be read', async () => {
    put('main/locked', 'x');
    chmodSync(path.join(varsDir, 'main/locked'), 0);
    const failure = await find('locked').catch((error: Error) => error.message);
    // The superuser may read everything.
    expect(failure).toBe(
      process.getuid?.() === 0 ? 'x' : "var 'locked': the folder of vars: its file cannot be read: EACCES",
    );
  });
});

describe('vars of a build', () => {
  it('come from the var sources of the pipeline and are hidden in its events', async () => {
    const { status, lines, stored } = await run(pipelineOf(task('((own:word)) and', '((own:map.field))'), DUMMY));
    expect([status, lines]).toEqual(['succeeded', ['step: ((redacted)) and ((redacted))']]);
    expect(stored).not.toMatch(/own-secret-word|deep-secret/);
  });

  it('come from the folder of vars too, and are hidden as well', async () => {
    put('main/folder-var', 'folder-secret');
    const { lines, stored } = await run(pipelineOf(task('((folder-var))'), DUMMY));
    expect(lines).toEqual(['step: ((redacted))']);
    expect(stored).not.toContain('folder-secret');
  });

  it('with an unknown source make the step errored', async () => {
    const { status, errors } = await run(pipelineOf(task('((other:word))'), DUMMY));
    expect([status, errors]).toEqual(['errored', ["missing source 'other' in var"]]);
  });

  it('with a source are asked of the server when the pipeline has no var sources', async () => {
    put('main/quirk', 'quirk-secret');
    expect((await run(pipelineOf(task('((any:quirk))')))).lines).toEqual(['step: ((redacted))']);
  });

  it('that nobody knows are named', async () => {
    expect((await run(pipelineOf(task('((own:gone)) ((gone)) ((.:gone))'), DUMMY))).errors).toEqual([
      'undefined vars: own:gone, gone, .:gone',
    ]);
  });

  it('may be used by the config of a var source', async () => {
    put('main/first', 'first-secret');
    const sources = `var_sources:
- {name: b, type: dummy, config: {vars: {x: "((a:y))"}}}
- {name: a, type: dummy, config: {vars: {y: "((first))"}}}`;
    const { lines, stored } = await run(pipelineOf(task('((b:x))'), sources));
    expect(lines).toEqual(['step: ((redacted))']);
    expect(stored).not.toContain('first-secret');
  });
});

describe('vars of a resource', () => {
  const seen: unknown[] = [];
  const type: ResourceType<{ key: string }, object, object> = {
    name: 'keyed',
    schema: { source: z.object({ key: z.string() }), getParams: z.object({}), putParams: z.object({}) },
    check: async (context, { source }) => {
      seen.push(source.key);
      context.log(`with ${source.key}\n`);
      if (source.key.includes('bad')) throw new Error(`refused ${source.key}`);
      return [{ ref: 'v1' }];
    },
    get: () => Promise.reject(new Error('not asked for')),
    put: () => Promise.reject(new Error('not asked for')),
  };
  const checker = (): Checker => {
    const settings = new Settings({ dataDir: world.folder, instanceId: 'checker' });
    return new Checker(world.db, { get: () => type }, settings, systemClock, silent, new Metrics(), credentials);
  };
  const resource = async (key: string): Promise<ResourceId> => {
    const yaml = pipelineOf(task('x'), DUMMY).replace('type: scripted', `type: keyed, source: {key: "((${key}))"}`);
    const { id } = await world.pipeline(yaml);
    const [row] = await world.db.query<{ id: ResourceId }>(`select id from resources where pipeline_id = $1`, [id]);
    return row!.id;
  };
  const check = (id: ResourceId, hidden: string[]) =>
    checker().runCheck(id, {
      signal: AbortSignal.timeout(10_000),
      log: () => undefined,
      hide: (secrets) => void hidden.push(...secrets),
    });

  it('are filled in for its checks, and told to whoever shows the log', async () => {
    const hidden: string[] = [];
    expect(await check(await resource('own:word'), hidden)).toEqual([{ ref: 'v1' }]);
    expect(seen).toContain('own-secret-word');
    expect(hidden).toContain('own-secret-word');
  });

  it('are not in the error that is kept with the resource', async () => {
    put('main/worse', 'bad-secret');
    const id = await resource('worse');
    await expect(check(id, [])).rejects.toThrow('refused');
    const [row] = await world.db.query<{ error: string }>(
      `select h.check_error as error from resources r join histories h on h.id = r.history_id where r.id = $1`,
      [id],
    );
    expect(row!.error).toBe('refused ((redacted))');
  });

  it('that are undefined or of an unknown source fail the check with their names', async () => {
    await expect(check(await resource('absent-var'), [])).rejects.toThrow('undefined vars: absent-var');
    await expect(check(await resource('vault:x'), [])).rejects.toThrow("missing source 'vault' in var");
  });
});
