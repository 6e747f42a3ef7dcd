import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface ServerOptions {
  readonly dataDir: string;
  readonly args?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** The built server as a process of its own, on a free port, with the login of its first user. Needs `npm run build`. */
export class ServerProcess {
  output = '';
  private child: ChildProcess | undefined;
  private port: number | undefined;
  private password: string | undefined;
  private token: string | undefined;

  constructor(private readonly options: ServerOptions) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Starts the process without waiting until it serves. */
  async spawn(): Promise<void> {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) return;
    this.port ??= this.options.port ?? (await freePort());
    const args = [
      MAIN,
      '--no-example',
      '--data-dir',
      this.options.dataDir,
      '--port',
      String(this.port),
      ...(this.options.args ?? []),
    ];
    const env = {
      PATH: process.env.PATH,
      HOME: path.dirname(this.options.dataDir),
      WEIR_GIT_LOCAL_PATHS: 'allow',
      ...this.options.env,
    };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.child = child;
  }

  /** Starts the process if it does not run and waits until it serves. @throws with its output when it ends instead. */
  async start(withinMs = 60_000): Promise<void> {
    await this.spawn();
    const end = Date.now() + withinMs;
    for (;;) {
      if (this.child?.exitCode !== null)
        throw new Error(`the server ended with ${this.child?.exitCode}:\n${this.output.slice(-2_000)}`);
      if (Date.now() > end)
        throw new Error(`the server does not answer after ${withinMs} ms:\n${this.output.slice(-2_000)}`);
      const answer = await fetch(`${this.url}/api/v1/health`, { signal: AbortSignal.timeout(1_000) }).catch(
        () => undefined,
      );
      if (answer?.ok) return;
      await sleep(25);
    }
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Ctrl-C. @returns the exit code. */
  async stop(): Promise<number | null> {
    await this.end('SIGINT');
    return this.child?.exitCode ?? null;
  }

  /** One call to the API as the first user. @throws unless the answer is 2xx. */
  async request<Body = unknown>(
    method: string,
    route: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<Body> {
    const answer = await this.fetch(method, route, body, contentType);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${route}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as Body;
  }

  async fetch(method: string, route: string, body?: unknown, contentType = 'application/json'): Promise<Response> {
    this.token ??= await this.login();
    const headers = {
      authorization: `Bearer ${this.token}`,
      ...(body === undefined ? {} : { 'content-type': contentType }),
    };
    const payload = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    return fetch(this.url + route, { method, headers, body: payload });
  }

  async login(): Promise<string> {
    // It is printed a moment after the first answer.
    for (let tries = 0; this.password === undefined && tries < 200; tries++) {
      this.password = /password:?\s+(\S+)/i.exec(this.output)?.[1];
      if (this.password === undefined) await sleep(25);
    }
    if (this.password === undefined) throw new Error(`no password was printed:\n${this.output}`);
    const form = new URLSearchParams({
      grant_type: 'password',
      username: 'admin',
      password: this.password,
      scope: 'openid',
    });
    const answer = await fetch(`${this.url}/sky/issuer/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('fly:Zmx5').toString('base64')}` },
      body: form,
    });
    if (!answer.ok) throw new Error(`login: ${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { access_token: string }).access_token;
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
