import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { parsePipeline, parseTaskConfig } from './index.js';

const DOCS = fileURLToPath(new URL('../../../docs', import.meta.url));
const EXAMPLES = path.join(DOCS, 'examples');
const names = readdirSync(EXAMPLES);
/** Types that Concourse has, too. */
const CONCOURSE_TYPES = ['git', 'pool', 'registry-image', 's3', 'semver', 'time'];

const read = (...parts: string[]): string => readFileSync(path.join(EXAMPLES, ...parts), 'utf8');
const filesOf = (example: string): string[] =>
  readdirSync(path.join(EXAMPLES, example), { recursive: true, encoding: 'utf8' });
const isTask = (text: string): boolean => /^platform:/m.test(text);
/** What stands in the file of an artifact is a file of one of the example's folders. */
const placesOf = (example: string, inArtifact: string): string[] => {
  const [, ...rest] = inArtifact.split('/');
  const folders = readdirSync(path.join(EXAMPLES, example)).map((folder) => path.join(EXAMPLES, example, folder));
  return folders.map((folder) => path.join(folder, ...rest)).filter((file) => existsSync(file));
};

describe('examples of the documentation', () => {
  it('are in its index', () => {
    const index = readFileSync(path.join(DOCS, 'README.md'), 'utf8');
    expect(names.filter((name) => !index.includes(`(examples/${name}/README.md)`))).toEqual([]);
  });

  it.each(names)('%s has no problem and no warning', (example) => {
    const files = filesOf(example).filter((file) => file.endsWith('.yml'));
    const found = files.flatMap((file) => {
      const text = read(example, file);
      const { problems, warnings } = isTask(text)
        ? parseTaskConfig(text, { file, vars: { image: {} } })
        : parsePipeline(text, { file });
      return [...problems, ...warnings];
    });
    expect(files).not.toEqual([]);
    expect(found).toEqual([]);
  });

  it.each(names)('%s has every file that it names', (example) => {
    const files = filesOf(example).filter((file) => file.endsWith('.yml'));
    const all = files.map((file) => read(example, file));
    const named = all.flatMap((text) => [...text.matchAll(/^\s+file: ([\w-]+\/ci\/.+|toolbox\/.+)$/gm)]);
    const missing = named.map(([, file]) => file!).filter((file) => placesOf(example, file).length === 0);
    expect(missing).toEqual([]);
    const programs = all.filter(isTask).map((text) => /^ {2}path: (.+)$/m.exec(text)![1]!);
    for (const program of programs) {
      const [place] = placesOf(example, program);
      expect([program, place]).toEqual([program, expect.any(String)]);
      accessSync(place!, constants.X_OK);
    }
  });

  it.each(names)('%s explains its vars, and what Concourse does not know', (example) => {
    const readme = read(example, 'README.md');
    const pipelines = filesOf(example).filter((file) => file.endsWith('.yml') && !isTask(read(example, file)));
    const top = pipelines.filter((file) => !file.includes(path.sep)).map((file) => read(example, file));
    const vars = top.flatMap((text) => [...text.matchAll(/\(\(([a-z_]\w*)/g)].map(([, name]) => name!));
    expect(vars.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
    const texts = pipelines.map((file) => read(example, file));
    const types = texts.flatMap((text) => parsePipeline(text).config?.resources?.map(({ type }) => type) ?? []);
    const isOurs = types.some((type) => !CONCOURSE_TYPES.includes(type)) || texts.join('').includes('branch_regex');
    expect(readme.includes('## Extensions of Weir')).toBe(isOurs);
    expect(readme.includes('Concourse takes it as it is')).toBe(!isOurs);
  });
});
