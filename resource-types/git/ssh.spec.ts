import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
import { eventually, processesWith } from '../../test/support/processes.js';
import { stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';

let sandbox: GitSandbox;
let remote: string;
let bin: string;
const savedPath = process.env['PATH'];

beforeEach(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
  bin = sandbox.folder('bin-');
  process.env['PATH'] = `${bin}:${savedPath ?? ''}`;
});
afterEach(() => {
  process.env['PATH'] = savedPath;
  sandbox.remove();
});

/** Stands for ssh and the host behind it: `lines` may use what ssh was given; `$last` is the command for the host. */
function fakeSsh(...lines: string[]): void {
  const script = ['#!/bin/sh', 'for arg; do last=$arg; done', ...lines].join('\n');
  writeFileSync(join(bin, 'ssh'), `${script}\n`);
  chmodSync(join(bin, 'ssh'), 0o755);
}
const seen = () => readFileSync(join(bin, 'seen'), 'utf8');
function makeKey(name: string, phrase = ''): string {
  const file = join(sandbox.dir, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', phrase, '-C', name, '-f', file]);
  return readFileSync(file, 'utf8');
}
const source = (more: Record<string, unknown>) =>
  parseInput(git.schema.source, { uri: `git@example.test:${remote}`, branch: 'main', ...more }, 'source');
const check = (more: Record<string, unknown>) =>
  git.check(stepContext(sandbox.folder('cache-')), { source: source(more) });

describe('forward_agent', () => {
  it.each([
    ['without', ''],
    ['with', "pass 'word"],
  ])('gives ssh an agent that holds the key, %s a passphrase, and is gone afterwards', async (_title, phrase) => {
    fakeSsh(`{ echo "$@"; ssh-add -l; } > ${bin}/seen 2>&1`, 'exec sh -c "$last"');
    const key = {
      private_key: makeKey('deploy', phrase),
      ...(phrase === '' ? {} : { private_key_passphrase: phrase }),
    };
    expect(await check({ ...key, forward_agent: true })).toHaveLength(1);
    expect(seen()).toContain('ForwardAgent=yes');
    expect(seen()).toContain(' deploy (ED25519)');
    await eventually('the agent is gone', () => !processesWith('ssh-agent').some((each) => each.includes('weir-git-')));
  });

  it('is not given without being asked for', async () => {
    fakeSsh(`{ echo "$@"; ssh-add -l; } > ${bin}/seen 2>&1`, 'exec sh -c "$last"');
    expect(await check({ private_key: makeKey('deploy') })).toHaveLength(1);
    expect(seen()).toContain('IdentityAgent=none');
    expect(seen()).not.toContain('ForwardAgent');
    expect(seen()).toContain('Could not open a connection to your authentication agent');
  });
});

describe('submodule_credentials with a key', () => {
  it('are used for that submodule only', async () => {
    const library = sandbox.remote('library.git');
    const work = sandbox.clone(remote, 'work');
    sandbox.git(work, 'submodule', '--quiet', 'add', library, 'lib');
    writeFileSync(
      join(work, '.gitmodules'),
      `[submodule "lib"]\n\tpath = lib\n\turl = other@library.test:${library}\n`,
    );
    const ref = sandbox.commit(work, {}, 'submodule');
    sandbox.git(work, 'push', '--quiet', 'origin', 'main');
    // What the real ssh makes of the options and the host.
    const hostOf = 'for arg; do case "$arg" in *@example.test|weir-key-*) host=$arg;; esac; done';
    const real = '$(PATH=' + (savedPath ?? '') + ' command -v ssh)';
    fakeSsh(
      hostOf,
      'set -- "$@"; config=none; prev=; for arg; do [ "$prev" = -F ] && config=$arg; prev=$arg; done',
      `{ echo "== $host"; "${real}" -F "$config" -G "$host" | grep -E '^(hostname|user|identityfile) '; "$SSH_ASKPASS" "Enter passphrase for key '/x/key-0': "; "$SSH_ASKPASS" "Enter passphrase for key '/x/key': "; } >> ${bin}/seen 2>&1`,
      'exec sh -c "$last"',
    );
    const more = {
      private_key: makeKey('main'),
      private_key_passphrase: 'of main',
      submodule_credentials: [
        { url: `other@library.test:${library}`, private_key: makeKey('lib'), private_key_passphrase: 'of lib' },
        { host: 'elsewhere.test', username: 'u', password: 'p' },
      ],
    };
    const dir = sandbox.folder();
    await git.get(stepContext(sandbox.folder('cache-')), { source: source(more), params: {}, version: { ref }, dir });
    expect(existsSync(join(dir, 'lib', 'README.md'))).toBe(true);
    const [, ...calls] = seen().split('== ');
    const ofMain = calls.find((call) => call.startsWith('git@example.test'))!;
    const ofLibrary = calls.find((call) => call.startsWith('weir-key-0'))!;
    expect(ofMain).toMatch(/identityfile \S+\/key\n/);
    expect(ofLibrary).toMatch(/user other\nhostname library\.test\nidentityfile \S+\/key-0\n/);
    expect(ofLibrary).not.toMatch(/\/key\n/);
    expect(ofLibrary).toMatch(/of lib\nof main\n$/);
    expect(sandbox.git(dir, 'config', '--file', '.git/config', 'submodule.lib.url')).toContain('other@library.test');
  });
});

describe('https_tunnel', () => {
  let host: Server;
  let proxy: HttpServer;
  let asked: string[];
  const password = 'pr0xy-secret';

  beforeEach(async () => {
    asked = [];
    // The host behind the proxy: a git daemon of one connection.
    host = createServer((socket) => {
      const child = spawn('git', ['upload-pack', remote], { stdio: ['pipe', 'pipe', 'ignore'] });
      socket.pipe(child.stdin);
      child.stdout.pipe(socket);
      for (const stream of [socket, child.stdin]) stream.on('error', () => child.kill());
    });
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    proxy = createHttpServer().on('connect', (request, client) => {
      asked.push(request.url ?? '');
      const expected = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`;
      if (request.headers['proxy-authorization'] !== expected) {
        client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
        return;
      }
      const behind = connect((host.address() as AddressInfo).port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        behind.pipe(client);
        client.pipe(behind);
      });
      for (const socket of [behind, client]) socket.on('error', () => behind.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    // Speaks through the ProxyCommand as ssh does, with the host's name and port in it.
    fakeSsh(
      `echo "$@" > ${bin}/seen`,
      'for arg; do case "$arg" in ProxyCommand=*) command=${arg#ProxyCommand=};; esac; done',
      `exec sh -c "$(echo "$command" | sed 's/%h/example.test/; s/%p/22/')"`,
    );
  });
  afterEach(() => {
    proxy.closeAllConnections();
    proxy.close();
    host.close();
  });
  const tunnel = (more: Record<string, unknown> = {}) => ({
    https_tunnel: { proxy_host: '127.0.0.1', proxy_port: (proxy.address() as AddressInfo).port, ...more },
  });

  it('leads ssh through the proxy, and shows its password nowhere', async () => {
    expect(await check(tunnel({ proxy_user: 'ann', proxy_password: password }))).toHaveLength(1);
    expect(asked).toContain('example.test:22');
    expect(seen()).not.toContain(password);
    expect(processesWith(password)).toEqual([]);
  });

  it('says what the proxy answers', async () => {
    await expect(check(tunnel({ proxy_user: 'ann', proxy_password: 'wrong' }))).rejects.toThrow(
      'https_tunnel: the proxy answered 407 Proxy Authentication Required',
    );
  });
});
