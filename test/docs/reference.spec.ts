import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { pipelineJsonSchema } from '../../src/pipelines/index.js';
import { languageTables } from './language-tables.js';

const FOLDER = 'docs/reference';
const MARK = /(<!-- keys: (.+?) -->\n)[^]*?(<!-- end of keys -->)/g;
const tables = languageTables();
const pages = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => path.join(FOLDER, name))
  .filter((page) => readFileSync(page, 'utf8').includes('<!-- keys: '));

describe('the reference of the language ("npm run docs:reference" writes its tables)', () => {
  it.each(pages)('has the keys of the schema in %s', (page) => {
    const text = readFileSync(page, 'utf8');
    const made = text.replace(MARK, (_all, begin: string, name: string, end: string) => {
      const table = tables.get(name);
      if (table === undefined)
        throw new Error(`${page}: no table '${name}'; there are ${[...tables.keys()].join(', ')}`);
      return `${begin}\n${table}\n${end}`;
    });
    if (process.argv.includes('-u')) writeFileSync(page, made);
    else expect(text).toBe(made);
  });

  it('has every table in a page', () => {
    const shown = pages.flatMap((page) => [...readFileSync(page, 'utf8').matchAll(MARK)].map(([, , name]) => name));
    expect([...tables.keys()].filter((name) => !shown.includes(name))).toEqual([]);
  });

  it('says of every key what it means', () => {
    expect(keysWithoutMeaning(pipelineJsonSchema(), '')).toEqual([]);
  });
});

function keysWithoutMeaning(schema: unknown, at: string): string[] {
  if (schema === null || typeof schema !== 'object') return [];
  return Object.entries(schema).flatMap(([name, value]) => [
    ...(at.endsWith('/properties') && !(value as { description?: string }).description ? [`${at}/${name}`] : []),
    ...keysWithoutMeaning(value, `${at}/${name}`),
  ]);
}
