import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiServer } from '../support/api-server.js';
import { readEvents } from './events.js';
import { exchange, filesIn, filled, hijack, type Answer, type Exchange } from './exchange.js';
import { misfits, partOf, type Shape } from './shape.js';

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

async function check(call: Exchange, { status, headers, body }: Answer): Promise<void> {
  const text = body.toString();
  const json = (): unknown => JSON.parse(text) as unknown;
  const where = `${call.method} ${call.path}`;
  expect([where, status, status === call.status ? '' : text]).toEqual([where, call.status, '']);
  if (call.type !== undefined) expect([where, headers['content-type']]).toEqual([where, call.type]);
  for (const [name, pattern] of Object.entries(call.headersHave ?? {}))
    expect([headers[name]].flat().join(', ')).toMatch(new RegExp(pattern));
  if (call.body !== undefined) expect([where, misfits(json(), call.body, shapes)]).toEqual([where, []]);
  if (call.has !== undefined) expect(json()).toMatchObject(call.has as object);
  if (call.bodyText !== undefined) expect(text).toContain(call.bodyText);
  if (call.archiveHas) expect(await filesIn(body)).toMatchObject(call.archiveHas);
  if (call.events) {
    const { names, wrong } = readEvents(text, shapes);
    expect([where, wrong]).toEqual([where, []]);
    expect(names).toEqual(call.events);
  }
  for (const [name, path] of Object.entries(call.keep ?? {})) kept.set(name, String(partOf(json(), path)));
  for (const [name, header] of Object.entries(call.keepHeader ?? {})) kept.set(name, String(headers[header]));
}

describe.each(files)('%s', (file) => {
  it.each(read<Command[]>(file).map(({ command, calls }) => ({ command, calls })))('$command', async ({ calls }) => {
    for (const each of calls) {
      const call = filled(each, kept);
      if (call.session) {
        const { output, end } = await hijack(server.url, call, kept);
        expect([output, end]).toEqual([call.session.says, { exit_status: call.session.exit }]);
      } else await check(call, await exchange(server.url, call, kept));
    }
  });
});
