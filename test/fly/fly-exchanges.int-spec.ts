import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiServer } from '../support/api-server.js';
import { exchange, misfits, partOf, type Answer, type Exchange, type Shape } from './exchange.js';

interface Command {
  readonly command: string;
  readonly calls: readonly Exchange[];
}

const FOLDER = new URL('recorded/', import.meta.url);
const read = <Content>(file: string): Content => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Content;
const shapes = read<Record<string, Shape>>('shapes.json');
const files = readdirSync(FOLDER)
  .filter((file) => /^\d.*\.json$/.test(file))
  .sort();

let server: ApiServer;
/** What calls gave for later ones; they stand in the order in which a person would run the commands. */
const kept = new Map<string, string>();
beforeAll(async () => {
  server = await ApiServer.start();
  kept.set('user', server.login.name).set('password', server.login.password);
});
afterAll(() => server?.stop());

function check(call: Exchange, { status, headers, text }: Answer): void {
  const json = (): unknown => JSON.parse(text) as unknown;
  const where = `${call.method} ${call.path}`;
  expect([where, status, status === call.status ? '' : text]).toEqual([where, call.status, '']);
  if (call.type !== undefined) expect([where, headers['content-type']]).toEqual([where, call.type]);
  for (const [name, pattern] of Object.entries(call.headersHave ?? {}))
    expect([headers[name]].flat().join(', ')).toMatch(new RegExp(pattern));
  if (call.body !== undefined) expect([where, misfits(json(), call.body, shapes)]).toEqual([where, []]);
  if (call.has !== undefined) expect(json()).toMatchObject(call.has as object);
  if (call.bodyText !== undefined) expect(text).toContain(call.bodyText);
  for (const [name, path] of Object.entries(call.keep ?? {})) kept.set(name, String(partOf(json(), path)));
  for (const [name, header] of Object.entries(call.keepHeader ?? {})) kept.set(name, String(headers[header]));
}

describe.each(files)('%s', (file) => {
  it.each(read<Command[]>(file).map(({ command, calls }) => ({ command, calls })))('$command', async ({ calls }) => {
    for (const call of calls) check(call, await exchange(server.url, call, kept));
  });
});
