import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createExampleRepositories } from './example-repositories.js';

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weir example-'));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

const git = (repository: string, ...args: string[]): string =>
  execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8' }).trim();

it('makes two repositories, of which the second takes pushes into its folder', async () => {
  const { app, production } = await createExampleRepositories(path.join(dir, 'example'));
  expect(git(app, 'status', '--porcelain', '--branch')).toBe('## main');
  const pipeline = parse(fs.readFileSync(path.join(app, 'pipeline.yml'), 'utf8')) as {
    resources: { source: { uri: string } }[];
  };
  expect(pipeline.resources.map(({ source }) => source.uri)).toEqual([app, production]);
  const clone = path.join(dir, 'clone');
  execFileSync('git', ['clone', '-q', production, clone]);
  fs.writeFileSync(path.join(clone, 'message.txt'), 'deployed');
  git(clone, 'add', '.');
  git(clone, '-c', 'user.name=x', '-c', 'user.email=x@localhost', 'commit', '-qm', 'deploy');
  git(clone, 'push', '-q', 'origin', 'main');
  expect(fs.readFileSync(path.join(production, 'message.txt'), 'utf8')).toBe('deployed');
});

it('starts over after an attempt that was interrupted', async () => {
  fs.mkdirSync(path.join(dir, 'example.new', 'app', '.git'), { recursive: true });
  await createExampleRepositories(path.join(dir, 'example'));
  expect(fs.readdirSync(dir)).toEqual(['example']);
});
