import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ResourceTypeRegistry } from './registry.js';
import { keysOf, typeReference } from './type-reference.js';

const registry = new ResourceTypeRegistry();
const FOLDER = 'docs/reference/resource-types';
const readme = (name: string): string => readFileSync(path.join('resource-types', name, 'readme.md'), 'utf8');

/** Writes the page when asked to. @returns what is committed. */
function committed(file: string, text: string): string {
  mkdirSync(FOLDER, { recursive: true });
  if (process.argv.includes('-u')) writeFileSync(path.join(FOLDER, file), text);
  return existsSync(path.join(FOLDER, file)) ? readFileSync(path.join(FOLDER, file), 'utf8') : '';
}

describe('the reference of resource types ("npm run docs:types" writes it)', () => {
  it.each(registry.names())('has the page of %s', (name) => {
    const page = typeReference(registry.get(name));
    expect(committed(`${name}.md`, page)).toBe(page);
  });

  it('lists all types', () => {
    const rows = registry.names().map((name) => {
      const what = readme(name).split('\n\n')[1]!.replaceAll('\n', ' ');
      return `| [${name}](${name}.md) | ${what} |\n`;
    });
    const list = `# Resource types\n\nBuilt into the server. Any other comes as an image: see [resource](../../concepts/resource.md).\n\n| type | what it is |\n|---|---|\n${rows.join('')}`;
    expect(committed('README.md', list)).toBe(list);
  });
});

describe('the readme of a resource type', () => {
  it.each(registry.names())('names every key of %s', (name) => {
    const { source, getParams, putParams } = registry.get(name).schema;
    const text = readme(name);
    const keys = [source, getParams, putParams].flatMap(keysOf).filter((key) => !key.includes('.'));
    // `aws_*` names them all.
    const isNamed = (key: string): boolean =>
      new RegExp(`\\b${key}\\b`).test(text) || text.includes(`${key.split('_')[0]}_*`);
    expect(keys.filter((key) => !isNamed(key))).toEqual([]);
  });
});

it('tells kinds, defaults and keys of keys', () => {
  const schema = z.strictObject({
    a: z.string().describe('First. Default: `x.y`. Last.'),
    b: z.array(z.strictObject({ c: z.int().optional() })).optional(),
    d: z.boolean().optional().describe('Does d.'),
    e: z.union([z.enum(['p', 'q']), z.array(z.string())]).optional(),
  });
  const page = typeReference({
    name: 't',
    schema: { source: schema, getParams: schema, putParams: z.strictObject({}) },
  } as never);
  expect(keysOf(schema)).toEqual(['a', 'b', 'b[].c', 'd', 'e']);
  for (const row of [
    '| `a` | text | **required** | First. Last. |',
    '| `b` | list of map of c |  |  |',
    '| `b[].c` | whole number |  |  |',
    '| `d` | `true`, `false` | `false` | Does d. |',
    '| `e` | `p`, `q` or list of text |  |  |',
    '## put params\n\nNone.',
  ])
    expect(page).toContain(row);
});
