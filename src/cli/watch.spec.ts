import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Cli } from './cli.js';
import { ApiClient } from './client.js';
import { watchBuild } from './commands/watch.js';
import { painter, type Io } from './io.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A server that gives one answer after another. */
async function serve(...answers: Answer[]): Promise<ApiClient> {
  server = createServer((request, response) => {
    const answer = answers.shift();
    if (answer) answer(request, response);
    else response.writeHead(500).end('no more answers');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new ApiClient(`http://127.0.0.1:${(server.address() as { port: number }).port}`, 'main', 'token');
}

const frame = (id: number, event: string, data: object): string =>
  `id: ${id}\nevent: event\ndata: ${JSON.stringify({ event, version: '1.0', data })}\n\n`;
const STREAM = { 'content-type': 'text/event-stream' };
const cut: (text: string) => Answer = (text) => (_request, response) => {
  response.writeHead(200, STREAM);
  response.write(text, () => setImmediate(() => response.destroy()));
};
const end: (text: string) => Answer = (text) => (_request, response) => void response.writeHead(200, STREAM).end(text);
const refuse: (status: number) => Answer = (status) => (_request, response) =>
  void response.writeHead(status).end('{}');

async function watch(client: ApiClient, signal = new AbortController().signal): Promise<{ out: string; code: number }> {
  let out = '';
  const io = { out: (text: string) => void (out += text), signal } as unknown as Io;
  const cli = { io, paint: painter({ hasColours: false }), exitCode: 0 } as unknown as Cli;
  return { code: await watchBuild(cli, client, 1), out };
}

describe('watching over a connection that breaks', () => {
  it('goes on after the last event seen, through restarts of the server', async () => {
    const asked: (string | undefined)[] = [];
    const note =
      (answer: Answer): Answer =>
      (request, response) => {
        asked.push(request.headers['last-event-id'] as string | undefined);
        answer(request, response);
      };
    const client = await serve(
      note(
        cut(frame(0, 'log', { payload: 'a' }) + ': ping\n\n' + frame(1, 'log', { payload: 'b' }) + 'id: 2\nevent: ev'),
      ),
      note(refuse(503)),
      note(end(frame(2, 'log', { payload: 'c\n' }))),
      note(end(frame(3, 'status', { status: 'failed' }))),
    );
    expect(await watch(client)).toEqual({ out: 'abc\nfailed\n', code: 1 });
    expect(asked).toEqual([undefined, '1', '1', '2']);
  });

  it('tells how a build ended whose log was removed', async () => {
    const client = await serve(end('id: 0\nevent: end\ndata: {}\n\n'), (_request, response) => {
      response.end(JSON.stringify({ id: 1, name: '1', status: 'errored', team_name: 'main' }));
    });
    expect(await watch(client)).toMatchObject({ code: 2, out: expect.stringContaining('it ended as errored') });
  });

  it.each([
    ['is refused', refuse(404), 1],
    ['is of another kind', end('id: 0\nevent: surprise\ndata: {}\n\n'), 255],
    ['is not JSON', end('id: 0\nevent: event\ndata: {\n\n'), 255],
  ])('ends when the stream %s', async (_title, answer, exitCode) => {
    await expect(watch(await serve(answer))).rejects.toMatchObject({ exitCode });
  });

  it('ends when the server was never there', async () => {
    await expect(watch(new ApiClient('http://127.0.0.1:9', 'main', undefined))).rejects.toThrow('no answer from');
  });

  it('ends at once when the person leaves', async () => {
    const leaving = new AbortController();
    const client = await serve((_request, response) => {
      response
        .writeHead(200, STREAM)
        .write(frame(0, 'log', { payload: 'a' }), () => setImmediate(() => leaving.abort()));
    });
    await expect(watch(client, leaving.signal)).rejects.toThrow();
  });
});
