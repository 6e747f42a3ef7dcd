import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { createGzip, gunzipSync } from 'node:zlib';
import { extract, pack, type Pack } from 'tar-stream';
import { WebSocket } from 'ws';
import type { Shape } from './shape.js';

/** A request that `fly` sends and what it needs back. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body: JSON, a form, YAML or any text. Mostly there is none. */
  readonly send?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly yaml?: string;
  readonly text?: string;
  /** Files of a folder, sent as `fly execute` does: a tar archive, compressed, in chunks. */
  readonly archive?: Readonly<Record<string, string>>;

  readonly status: number;
  /** Exactly, as `fly` compares it. */
  readonly type?: string;
  readonly headersHave?: Readonly<Record<string, string>>;
  readonly body?: Shape;
  /** Part of the body. */
  readonly has?: unknown;
  readonly bodyText?: string;
  /** The body are the events of a build, read up to the end of the stream. They must have, in this order, these names. */
  readonly events?: readonly string[];
  /** The body is a compressed tar archive with these files. */
  readonly archiveHas?: Readonly<Record<string, string>>;
  /** The path is a web socket: `send` says what to run, and this is what comes of it. */
  readonly session?: { readonly input?: string; readonly says: string; readonly exit: number };
  /** Names for parts of the answer, to be used as `{name}` from now on. */
  readonly keep?: Readonly<Record<string, string>>;
  readonly keepHeader?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** After it the server sends nothing, and holds the connection. */
export const END_OF_EVENTS = /^event: end\ndata:.*\n\n/m;

/** As Go's client does: no `Accept`, and no content type without a body. */
export async function exchange(url: string, ask: Exchange, kept: ReadonlyMap<string, string>): Promise<Answer> {
  const [type, body] = bodyOf(ask);
  const headers: Record<string, string> = {
    'user-agent': 'Go-http-client/1.1',
    ...(kept.has('token') ? { authorization: `Bearer ${kept.get('token')}` } : {}),
    ...(type === undefined ? {} : { 'content-type': type }),
    ...(typeof body === 'string' ? { 'content-length': String(Buffer.byteLength(body)) } : {}),
    ...ask.headers,
  };
  if (headers.authorization === '') delete headers.authorization;
  const sent = request(url + ask.path, { method: ask.method, headers });
  if (body === undefined || typeof body === 'string') sent.end(body);
  else body.pipe(createGzip()).pipe(sent);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if (ask.events && END_OF_EVENTS.test(Buffer.concat(chunks).toString())) break;
  }
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
}

function bodyOf({ send, form, yaml, text, archive }: Exchange): [string | undefined, string | Pack | undefined] {
  if (archive) return ['application/octet-stream', tarOf(archive)];
  if (form) return ['application/x-www-form-urlencoded', new URLSearchParams(form).toString()];
  if (yaml !== undefined) return ['application/x-yaml', yaml];
  if (text !== undefined) return [undefined, text];
  return send === undefined ? [undefined, undefined] : ['application/json', JSON.stringify(send)];
}

function tarOf(files: Readonly<Record<string, string>>): Pack {
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name }, text);
  archive.finalize();
  return archive;
}

/** The files of a compressed tar archive. */
export async function filesIn(archive: Buffer): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const reading = extract();
  reading.end(gunzipSync(archive));
  for await (const entry of reading) files[entry.header.name] = (await buffer(entry)).toString();
  return files;
}

/** What a command in a container has said, and the last message about its end. */
export async function hijack(
  url: string,
  { path, send, session }: Exchange,
  kept: ReadonlyMap<string, string>,
): Promise<{ readonly output: string; readonly end: unknown }> {
  const headers = { authorization: `Bearer ${kept.get('token')}` };
  const socket = new WebSocket(url.replace('http', 'ws') + path, { headers });
  let output = '';
  let end: unknown;
  socket.on('message', (data: Buffer) => {
    const { stdout, stderr, ...rest } = JSON.parse(data.toString()) as Record<string, unknown>;
    const bytes = stdout ?? stderr;
    if (typeof bytes === 'string') output += Buffer.from(bytes, 'base64').toString();
    else end = rest;
  });
  await once(socket, 'open');
  socket.send(JSON.stringify(send));
  if (session?.input !== undefined)
    socket.send(JSON.stringify({ stdin: Buffer.from(session.input).toString('base64') }));
  socket.send(JSON.stringify({ closed: true }));
  await once(socket, 'close');
  return { output, end };
}

/** The exchange with every `{name}` replaced by what was kept; `"{name:int}"` stands for a number. */
export function filled(ask: Exchange, kept: ReadonlyMap<string, string>): Exchange {
  const text = JSON.stringify(ask)
    .replace(/"\{(\w+):int\}"/g, (written, name: string) => kept.get(name) ?? written)
    .replace(/\{(\w+)\}/g, (written, name: string) => kept.get(name) ?? written);
  return JSON.parse(text) as Exchange;
}
