import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { accessSync, constants } from 'node:fs';
import type { Blob, MadeImage } from './image-maker.js';
import { eventually } from './processes.js';

const NEEDED = ['docker-registry', 'htpasswd'];

/** Whether this machine has Debian's `docker-registry` and `apache2-utils`. Says so loudly when not. */
export function hasRegistry(): boolean {
  const missing = NEEDED.filter((program) => !isInstalled(program));
  if (missing.length > 0) {
    console.warn(
      `SKIPPED: tests against a real registry need ${missing.join(' and ')} (docker-registry, apache2-utils)`,
    );
  }
  return missing.length === 0;
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A real registry on 127.0.0.1, with its own data, gone after {@link stop}. */
export class TestRegistry {
  private constructor(
    readonly host: string,
    private readonly server: ChildProcess,
    private readonly dir: string,
    private readonly authorization: string | undefined,
  ) {}

  /** @param login makes it refuse everybody else (Basic). */
  static async start(login?: { readonly username: string; readonly password: string }): Promise<TestRegistry> {
    const dir = mkdtempSync(join(tmpdir(), 'weir-test-registry-'));
    const host = `127.0.0.1:${await freePort()}`;
    const password = login === undefined ? '' : writePassword(dir, login);
    mkdirSync(join(dir, 'data'));
    writeFileSync(
      join(dir, 'config.yml'),
      `version: 0.1\nlog: { level: error, accesslog: { disabled: true } }\n` +
        `storage: { filesystem: { rootdirectory: '${join(dir, 'data')}' }, delete: { enabled: true } }\n` +
        `http: { addr: '${host}' }\n${password}`,
    );
    // The end of its input ends it: then nothing stays behind, even when the tests are killed.
    const script = 'docker-registry serve "$1" & cat; kill -9 $!; wait';
    const server = spawn('sh', ['-c', script, 'sh', join(dir, 'config.yml')], { stdio: ['pipe', 'ignore', 'ignore'] });
    const authorization = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
    const registry = new TestRegistry(host, server, dir, authorization);
    const answers = async () => (await registry.call('GET', '').catch(() => undefined))?.status === 200;
    await eventually(`the registry at ${host} answers`, answers, 15_000);
    return registry;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.server.once('exit', resolve));
    this.server.stdin?.end();
    if (this.server.exitCode === null && this.server.signalCode === null) await ended;
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Pushes without our client, so that the tests do not trust it. @returns the digest. */
  async push(repository: string, tag: string, image: MadeImage): Promise<string> {
    for (const blob of [image.config, ...image.layers]) await this.pushBlob(repository, blob);
    await this.pushManifest(repository, image.manifest.digest, image.manifest);
    return this.pushManifest(repository, tag, image.manifest);
  }

  async pushManifest(
    repository: string,
    reference: string,
    manifest: Blob & { readonly mediaType: string },
  ): Promise<string> {
    const answer = await this.call('PUT', `${repository}/manifests/${reference}`, manifest.bytes, manifest.mediaType);
    if (answer.status !== 201)
      throw new Error(`push of ${repository}:${reference}: ${answer.status} ${await answer.text()}`);
    return manifest.digest;
  }

  /** The bytes of a manifest; undefined when there is none. */
  async manifest(repository: string, reference: string): Promise<string | undefined> {
    const answer = await this.call('GET', `${repository}/manifests/${reference}`);
    return answer.status === 200 ? answer.text() : undefined;
  }

  async tags(repository: string): Promise<string[]> {
    const answer = await this.call('GET', `${repository}/tags/list`);
    return answer.status === 200 ? (((await answer.json()) as { tags: string[] | null }).tags?.toSorted() ?? []) : [];
  }

  async deleteManifest(repository: string, digest: string): Promise<void> {
    await this.call('DELETE', `${repository}/manifests/${digest}`);
  }

  private async pushBlob(repository: string, { digest, bytes }: Blob): Promise<void> {
    const begun = await this.call('POST', `${repository}/blobs/uploads/`);
    const url = new URL(begun.headers.get('location') ?? '', `http://${this.host}/v2/`);
    url.searchParams.set('digest', digest);
    const answer = await this.call('PUT', url.href, bytes, 'application/octet-stream');
    if (answer.status !== 201) throw new Error(`push of a blob: ${answer.status}`);
  }

  private async call(method: string, path: string, body?: Buffer, type?: string): Promise<Response> {
    const accept = ['manifest.v1+json', 'index.v1+json'].map((kind) => `application/vnd.oci.image.${kind}`);
    const headers: Record<string, string> = {
      accept: [...accept, 'application/vnd.docker.distribution.manifest.v2+json'].join(', '),
      ...(type && { 'content-type': type }),
      ...(this.authorization && { authorization: this.authorization }),
    };
    return fetch(new URL(path, `http://${this.host}/v2/`), {
      method,
      headers,
      ...(body && { body: new Uint8Array(body) }),
    });
  }
}

function writePassword(
  dir: string,
  { username, password }: { readonly username: string; readonly password: string },
): string {
  const file = join(dir, 'htpasswd');
  writeFileSync(file, execFileSync('htpasswd', ['-Bbn', username, password]));
  return `auth: { htpasswd: { realm: tests, path: '${file}' } }\n`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}
