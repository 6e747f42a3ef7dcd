import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ROLE_MATRIX } from '../../auth/index.js';
import { apiDocument } from '../index.js';
import { OPERATIONS } from './operations.js';
import { documentPage } from './page.js';

const COMMITTED = new URL('../../../docs/reference/openapi.json', import.meta.url);
const document = apiDocument();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation, of: `${method} ${path}` })),
);
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(document, 'api');

describe('the document of the API', () => {
  it('stands in docs/reference/openapi.json (npm run docs:openapi writes it)', () => {
    const text = `${JSON.stringify(document, null, 1)}\n`;
    if (process.argv.includes('-u')) writeFileSync(COMMITTED, text);
    expect(JSON.parse(readFileSync(COMMITTED, 'utf8'))).toEqual(JSON.parse(text));
  });

  it('has no words for actions that there are not', () => {
    const known = new Set(ROLE_MATRIX.flatMap(({ route, rule }) => [route, rule.action]));
    expect(Object.keys(OPERATIONS).filter((key) => !known.has(key))).toEqual([]);
  });

  it('names each operation once', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  });

  it('puts each operation into a group that has words', () => {
    const names = (document['tags'] as { name: string }[]).map(({ name }) => name);
    expect(operations.filter(({ operation }) => !names.includes(operation.tags[0] ?? '')).map(({ of }) => of)).toEqual(
      [],
    );
    expect(names.filter((name) => !operations.some(({ operation }) => operation.tags.includes(name)))).toEqual([]);
  });

  it('says of each parameter what it is', () => {
    const silent = operations.flatMap(({ of, operation }) =>
      operation.parameters.filter(({ description }) => description === undefined).map(({ name }) => `${of} ${name}`),
    );
    expect(silent).toEqual([]);
  });

  it('refers to nothing that is not there', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]*)"/g)].map(([, path = '']) => path);
    const missing = references.filter(
      (path) =>
        path.split('/').reduce<unknown>((part, key) => (part as Record<string, unknown>)?.[key], document) ===
        undefined,
    );
    expect(references.length).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });

  it.each(Object.entries(document.components.schemas))('gives an example of %s that is one', (name, { examples }) => {
    const validate = ajv.compile({ $ref: `api#/components/schemas/${name}` });
    validate((examples as unknown[])[0]);
    expect(validate.errors ?? []).toEqual([]);
  });

  it('gives examples of bodies that are taken', () => {
    const wrong = operations.flatMap(({ of, operation }) => {
      const { schema, example } = operation.requestBody?.content['application/json'] ?? {};
      if (example === undefined) return [];
      const validate = ajv.compile(schema as object);
      return validate(example) ? [] : [{ of, example, errors: validate.errors }];
    });
    expect(wrong).toEqual([]);
  });
});

describe('its page', () => {
  const page = documentPage(document);

  it('shows every route and shape', () => {
    for (const { operation } of operations) expect(page).toContain(`id="${operation.operationId}"`);
    for (const name of Object.keys(document.components.schemas)) expect(page).toContain(`<details id="${name}">`);
  });

  it('runs nothing and loads nothing', () => {
    expect(page).not.toMatch(/<script|<link|<img|\son\w+=|src=|@import|url\(/i);
  });
});
