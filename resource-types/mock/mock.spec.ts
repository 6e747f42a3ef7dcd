import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { describeResourceTypeContract, filesOf, stepContext } from '../../test/support/resource-type-contract.js';
import { mock } from './index.js';

describeResourceTypeContract({
  type: mock,
  letsKeysThrough: true,
  source: async () => ({
    initial_version: 'one',
    create_files: { 'a/b.txt': 'text' },
    metadata: [{ name: 'n', value: 'v' }],
  }),
  advance: async () => undefined, // nothing outside: a new version comes by put or is named in a check
  preparePut: async () => ({ version: 'two' }),
  hang: async () => {
    let polls = 0;
    return {
      source: { check_delay: '1h' },
      marker: 'weir-mock-has-no-process',
      isStarted: () => polls++ > 1,
      close: async () => undefined,
    };
  },
});

describe('mock', () => {
  let dir: string;
  let context: ReturnType<typeof stepContext>;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'weir-test-mock-'));
    context = stepContext(join(dir, 'cache'), { env: { BUILD_ID: '7', BUILD_NAME: '3' } });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const source = (value: unknown) => parseInput(mock.schema.source, value, 'source');
  const check = (value: unknown, version?: string) =>
    mock.check(context, { source: source(value), ...(version !== undefined && { version: { version } }) });
  const get = (value: unknown, params: unknown = {}, version: Record<string, string> = { version: 'v' }) =>
    mock.get(context, {
      source: source(value),
      params: parseInput(mock.schema.getParams, params, 'params'),
      version,
      dir,
    });
  const put = (value: unknown, params: unknown = {}) =>
    mock.put(context, { source: source(value), params: parseInput(mock.schema.putParams, params, 'params'), dir });

  it('finds the version of its own image at first, unless its source names one', async () => {
    context = { ...context, env: { MIRRORED_VERSION: 'of-image' } };
    expect(await check({})).toEqual([{ version: 'of-image' }]);
    expect(await check({ initial_version: 'a' })).toEqual([{ version: 'a' }]);
  });

  it.each([
    ['finds "mock" at first', {}, undefined, ['mock']],
    ['finds the initial version at first', { initial_version: 'a' }, undefined, ['a']],
    ['finds nothing at first when told so', { no_initial_version: true }, undefined, []],
    ['finds whatever version a check is made from', { no_initial_version: true }, 'x', ['x']],
    ['finds only the forced version', { force_version: 'f' }, 'x', ['f']],
  ])('%s', async (_title, value, from, expected) => {
    expect(await check(value, from)).toEqual(expected.map((version) => ({ version })));
  });

  it('fails a check with the message of check_failure', async () => {
    await expect(check({ check_failure: 'out of order' })).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: 'out of order',
    });
  });

  it('prints log on every action', async () => {
    await check({ log: 'hello' });
    await get({ log: 'hello' });
    await put({ log: 'hello' });
    expect(context.text()).toBe('hello\nhello\nfetching version: v\nhello\npushing version: \n');
  });

  it('writes the version, files of source and params, and gives the metadata', async () => {
    const metadata = [{ name: 'foo', value: 'bar' }];
    const result = await get(
      { create_files: { 'f1.yml': 'old', 'run.sh': '#!/bin/sh\n' }, metadata },
      { create_files_via_params: { 'f1.yml': 'new', 'd/f2': { x: [1, true] } } },
    );
    expect(result).toEqual({ version: { version: 'v' }, metadata });
    expect(Object.keys(filesOf(dir))).toEqual(['d/f2', 'f1.yml', 'privileged', 'run.sh', 'version']);
    expect(readFileSync(join(dir, 'version'), 'utf8')).toBe('v\n');
    expect(readFileSync(join(dir, 'd/f2'), 'utf8')).toBe('{"x":[1,true]}');
    expect(readFileSync(join(dir, 'f1.yml'), 'utf8')).toBe('new');
    expect(statSync(join(dir, 'run.sh')).mode & 0o111).not.toBe(0);
  });

  it.each([
    [{ mirror_self: true }, {}],
    [{}, { mirror_self_via_params: true }],
  ])('makes an image when mirroring (%j, %j)', async (value, params) => {
    await get(value, params);
    expect(statSync(join(dir, 'rootfs')).isDirectory()).toBe(true);
    expect(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8'))).toEqual({
      env: ['MIRRORED_VERSION=v'],
      user: '',
      mirrors_host: true,
    });
  });

  it('writes no file outside of its folder', async () => {
    await expect(get({ create_files: { '../evil': 'x' } })).rejects.toThrow("'../evil' leads out of the folder");
  });

  it('puts the version of the params, of a file, or an empty one', async () => {
    mkdirSync(join(dir, 'in'));
    writeFileSync(join(dir, 'in', 'version'), 'from-file\n');
    expect((await put({}, { version: 'p' })).version).toEqual({ version: 'p' });
    expect((await put({}, { file: 'in/version' })).version).toEqual({ version: 'from-file' });
    expect((await put({})).version).toEqual({ version: '' });
  });

  it('reads no file outside of the inputs, not even through a link', async () => {
    symlinkSync('/etc/hostname', join(dir, 'link'));
    await expect(put({}, { file: '../../etc/hostname' })).rejects.toThrow(/leads out|there is no/);
    await expect(put({}, { file: 'link' })).rejects.toThrow(/leads out|there is no/);
    await expect(put({}, { file: 'none' })).rejects.toThrow("there is no 'none'");
  });

  it('prints the variables of the step when asked', async () => {
    await put({}, { print_env: true });
    expect(context.text()).toBe('env: BUILD_ID=7\nenv: BUILD_NAME=3\npushing version: \n');
  });

  it('refuses bad values, all of them at once, with their paths', () => {
    expect(() => source({ check_delay: 'soon', metadata: [{ name: 'a' }] })).toThrow(
      'source: check_delay: is not a duration such as "10s"; metadata[0].value: is missing',
    );
  });

  it('lets further keys through', async () => {
    expect(await check({ initial_version: 'a', of_somebody: { else: true } })).toEqual([{ version: 'a' }]);
  });

  it('says so in its versions when it has privileges', async () => {
    context = { ...context, isPrivileged: true };
    expect(await check({ initial_version: 'a' })).toEqual([{ version: 'a', privileged: 'true' }]);
    expect(await check({}, 'c')).toEqual([{ version: 'c', privileged: 'true' }]);
    expect((await put({}, { version: 'b' })).version).toEqual({ version: 'b', privileged: 'true' });
    await get({});
    expect(readFileSync(join(dir, 'privileged'), 'utf8')).toBe('true');
  });

  it('leaves the making of its image to the server where that can', async () => {
    const made: unknown[] = [];
    context = { ...context, writeOwnImage: async (...call) => void made.push(call) };
    await get({ mirror_self: true });
    expect(made).toEqual([[dir, 'mock', { MIRRORED_VERSION: 'v' }]]);
  });
});
