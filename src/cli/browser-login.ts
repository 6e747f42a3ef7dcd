import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cli } from './cli.js';
import { CliError } from './io.js';

/**
 * Logs in with a browser: the server's page hands the token to a listener on this machine, or shows it to be pasted.
 * @param opens also open the browser
 * @throws CliError when what comes is no token, or nobody is there who could log in.
 */
export async function browserToken(cli: Cli, url: string, opens: boolean): Promise<string> {
  const { io } = cli;
  const done = new AbortController();
  const listener = await listen(url);
  try {
    const page = `${url}/login?fly_port=${(listener.server.address() as AddressInfo).port}`;
    io.err(`log in at this address with your browser:\n\n  ${page}\n\n`);
    if (opens) io.browse?.(page);
    const signal = AbortSignal.any([io.signal, done.signal]);
    const interrupted = new Promise<never>((_resolve, reject) => {
      io.signal.addEventListener('abort', () => reject(new CliError('nobody logged in', 130)), { once: true });
    });
    const pasted = io.isInteractive
      ? [io.ask('or paste the token that you are shown there: ', { hidden: true, signal }).then(tokenOf)]
      : [];
    return await Promise.race([listener.token, interrupted, ...pasted]);
  } finally {
    done.abort();
    listener.server.close();
    listener.server.closeAllConnections();
  }
}

async function listen(url: string): Promise<{ readonly server: Server; readonly token: Promise<string> }> {
  const { promise: token, resolve } = withResolvers<string>();
  const server = createServer((request, response) => {
    const given = receive(request, response, url);
    if (given !== undefined) resolve(given);
  });
  await new Promise<void>((ready, reject) => server.once('error', reject).listen(0, '127.0.0.1', ready));
  return { server, token };
}

function withResolvers<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((done) => (resolve = done));
  return { promise, resolve };
}

/** One request of the browser. @returns the token, once it has come from the server's own page. */
function receive(request: IncomingMessage, response: ServerResponse, url: string): string | undefined {
  const { origin } = new URL(url);
  response.setHeader('access-control-allow-origin', origin).setHeader('vary', 'origin');
  // A page of somebody else must not log this person in as somebody else.
  const isForeign = request.headers.origin !== undefined && request.headers.origin !== origin;
  if (request.method === 'OPTIONS' && !isForeign) {
    response.setHeader('access-control-allow-private-network', 'true').writeHead(204).end();
    return undefined;
  }
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
  const token = /^bearer +(\S+)$/i.exec(searchParams.get('token') ?? '')?.[1];
  if (isForeign || pathname !== '/' || token === undefined) {
    response.writeHead(isForeign ? 403 : 400).end('there is no token in this request\n');
    return undefined;
  }
  // A link that was followed leaves people on this page; the server has a better one.
  if (request.headers['upgrade-insecure-requests'] !== undefined)
    response.writeHead(302, { location: `${url}/fly_success?noop=true` }).end();
  else response.writeHead(200).end('logged in\n');
  return token;
}

/** Reads `bearer TOKEN`, or the token alone. */
function tokenOf(pasted: string): string {
  const token = /^(?:bearer\s+)?([^\s]{10,})$/i.exec(pasted.trim())?.[1];
  if (token === undefined) throw new CliError('that is no token: copy all of what the page shows, "bearer ..."');
  return token;
}
