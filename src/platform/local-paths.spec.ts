import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { folderOfUri, localPathRefusal } from './local-paths.js';
import { parseSettings, Settings, type LocalPaths } from './settings.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'weir-local-paths-'));
  for (const name of ['data/example/app', 'data/artifacts', 'home/repo', 'named/repo'])
    mkdirSync(path.join(dir, name), { recursive: true });
  symlinkSync(path.join(dir, 'data', 'artifacts'), path.join(dir, 'home', 'link'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const refusal = (folder: string, gitLocalPaths: LocalPaths): Promise<string | undefined> => {
  const sources = [{ name: 's', uri: `file://${dir}/named/repo` }];
  const settings = new Settings({ dataDir: path.join(dir, 'data'), sources, gitLocalPaths });
  return localPathRefusal(settings, folder.startsWith('/') ? folder : path.join(dir, folder));
};

describe('a folder of this machine', () => {
  it.each([
    ['data/example/app', []],
    ['data/example/not/there', []],
    ['named/repo', []],
    ['home/repo', ['home']],
    ['home/repo', ['home/repo']],
    ['home/repo', 'allow'],
    ['home/link', 'allow'],
  ] as const)('%s is open with %j', async (folder, open) => {
    expect(await refusal(folder, typeof open === 'string' ? open : open.map((name) => path.join(dir, name)))).toBe(
      undefined,
    );
  });

  it.each([
    ['home/repo', []],
    ['data/artifacts', []],
    ['data/example/../artifacts', []],
    ['data/examples', []],
    ['home/link', ['home']],
    ['home/repository', ['home/repo']],
    ['data/example/app', 'deny'],
    ['named/repo', 'deny'],
  ] as const)('%s is closed with %j', async (folder, open) => {
    const said = await refusal(folder, typeof open === 'string' ? open : open.map((name) => path.join(dir, name)));
    expect(said).toContain('--git-local-paths');
  });

  it('that is closed is told with the setting that opens it', async () => {
    expect(await refusal('/home/me/repo', [])).toContain('start the server with --git-local-paths /home/me/repo');
  });
});

describe('the setting', () => {
  const parsed = (text: string): unknown => {
    const request = parseSettings(['--git-local-paths', text], {});
    return request.help ? undefined : request.settings.gitLocalPaths;
  };
  it.each([
    ['allow', 'allow'],
    ['deny', 'deny'],
    ['/a, /b/c', ['/a', '/b/c']],
  ])('is %s', (text, expected) => expect(parsed(text)).toEqual(expected));
  it.each(['yes', 'a/b', '/a,b', ','])('is not %j', (text) => expect(() => parsed(text)).toThrow('--git-local-paths'));
});

it('knows the addresses that are folders of this machine', () => {
  const uris = ['/a/b', 'file:///a%20b', './a', '../a', 'git@h:/a', 'https://h/a', 'h:a'];
  expect(uris.map(folderOfUri)).toEqual(['/a/b', '/a b', './a', '../a', undefined, undefined, undefined]);
});
