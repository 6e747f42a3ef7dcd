import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox, silentServer } from '../../test/support/git-sandbox.js';
import { eventually, processesWith } from '../../test/support/processes.js';
import { stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';
import { Git } from './git.js';
import { gitSource } from './schema.js';
import { withWorkshop } from './workshop.js';

let sandbox: GitSandbox;
let remote: string;
let context: ReturnType<typeof stepContext>;
const savedPath = process.env['PATH'];

beforeEach(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
  context = stepContext(join(sandbox.dir, 'cache'));
});
afterEach(() => {
  process.env['PATH'] = savedPath;
  sandbox.remove();
});

const source = (value: Record<string, unknown>) =>
  parseInput(git.schema.source, { branch: 'main', ...value }, 'source');
const workshops = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`weir-git-${process.pid}-`));

describe('git over http with a password', () => {
  const password = 'pa ss/w@rd%;"\'$(x)';
  let server: Server;
  let uri: string;
  /** Command lines and environments that held the password while git was talking to the server. */
  let leaks: string[];

  beforeEach(async () => {
    leaks = [];
    sandbox.git(remote, 'config', 'http.receivepack', 'true');
    const expected = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;
    server = createServer((request, response) => {
      if (request.headers.authorization !== expected) {
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end();
        return;
      }
      leaks.push(...processesWith(password), ...processesWith(encodeURIComponent(password)));
      serveGit(sandbox.dir, request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    uri = `http://127.0.0.1:${(server.address() as { port: number }).port}/remote.git`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it.each([
    ['source keys', () => source({ uri, username: 'ada', password, debug: true })],
    ['the address', () => source({ uri: uri.replace('//', `//ada:${encodeURIComponent(password)}@`), debug: true })],
  ])('takes it from %s, and shows it nowhere', async (_title, makeSource) => {
    const value = makeSource();
    const [dir, put] = [sandbox.folder(), sandbox.folder()];
    const [version] = await git.check(context, { source: value });
    await git.get(context, { source: value, params: {}, version: version!, dir });
    const sha = sandbox.commit(sandbox.clone(remote, join(put, 'repo')), { a: '1' }, 'a');
    const pushed = await git.put(context, { source: value, params: { repository: 'repo' }, dir: put });
    expect(pushed.version).toEqual({ ref: sha });
    expect(sandbox.git(dir, 'remote', 'get-url', 'origin')).toBe(uri);
    expect(readFileSync(join(context.cacheDir, 'history.git', 'config'), 'utf8')).toContain(`url = ${uri}\n`);
    expect(context.text()).toContain('+ git ');
    expect(context.text()).not.toContain(password);
    expect(context.text()).not.toContain(encodeURIComponent(password));
    expect(leaks).toEqual([]);
    expect(workshops()).toEqual([]);
  });

  it('fails without asking anyone when the password is wrong or missing', async () => {
    await expect(
      git.check(context, { source: source({ uri, username: 'ada', password: 'wrong' }) }),
    ).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: expect.stringMatching(/Authentication failed/),
    });
    await expect(git.check(context, { source: source({ uri }) })).rejects.toThrow(/could not read Username/);
  });

  it('gives the password to no other host', async () => {
    const asked: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      asked.push(request.headers.authorization);
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end();
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const port = (other.address() as { port: number }).port;
      const ref = sandbox.pushUnreachableSubmodule(remote, `http://127.0.0.1:${port}/x`);
      await expect(
        git.get(context, {
          source: source({ uri, username: 'ada', password }),
          params: {},
          version: { ref },
          dir: sandbox.folder(),
        }),
      ).rejects.toThrow(/git submodule failed/);
      expect(asked.length).toBeGreaterThan(0);
      expect(asked.filter((header) => header !== undefined)).toEqual([]);
    } finally {
      other.closeAllConnections();
      other.close();
    }
  });
});

describe('git over ssh', () => {
  it('gives ssh the key in a private file that is gone afterwards', async () => {
    const bin = sandbox.folder('bin-');
    // Stands for ssh and the host behind it: notes what it was given and runs the command for git.
    writeFileSync(
      join(bin, 'ssh'),
      `#!/bin/sh
for arg; do case "$arg" in IdentityFile=*) key=\${arg#IdentityFile=};; esac; last=$arg; done
{ echo "$@"; ls -l "$key" | cut -c1-10; cat "$key"; "$SSH_ASKPASS" "Enter passphrase for key '$key': "; } > ${bin}/seen
exec sh -c "$last"
`,
    );
    chmodSync(join(bin, 'ssh'), 0o755);
    process.env['PATH'] = `${bin}:${savedPath ?? ''}`;
    const key = '-----BEGIN KEY-----\nabc\n-----END KEY-----';
    const value = source({
      uri: `git@example.test:${remote}`,
      private_key: key,
      private_key_passphrase: "it's",
      private_key_user: 'deploy',
    });
    expect(await git.check(context, { source: value })).toHaveLength(1);
    const [args = '', mode, ...rest] = readFileSync(join(bin, 'seen'), 'utf8').split('\n');
    expect(mode).toBe('-rw-------');
    expect(rest.join('\n')).toBe(`${key}\nit's\n`);
    expect(args).toContain('User=deploy');
    expect(args).toContain('git@example.test');
    expect(args).not.toContain("it's");
    const file = /IdentityFile=(\S+)/.exec(args)?.[1] ?? '';
    expect(file).toContain('weir-git-');
    expect(existsSync(file)).toBe(false);
    expect(workshops()).toEqual([]);
  });

  it('offers no key of the server when the source has none', async () => {
    await withWorkshop(source({ uri: 'git@example.test:x' }), context, async ({ env }) => {
      const config = readFileSync(env['GIT_CONFIG_GLOBAL'] ?? '', 'utf8');
      expect(config).toContain('IdentityFile=none');
      expect(config).toContain('IdentityAgent=none');
      expect(env).not.toHaveProperty('SSH_AUTH_SOCK');
    });
  });
});

describe('git that hangs', () => {
  it.each(['git', 'http', 'ssh'])('over %s ends with all its helpers when it is aborted', async (protocol) => {
    const server = await silentServer();
    try {
      const stop = new AbortController();
      const address = `127.0.0.1:${server.port}`;
      const checking = git
        .check(stepContext(context.cacheDir, { signal: stop.signal }), {
          source: source({ uri: `${protocol}://${address}/x` }),
        })
        .then(
          () => 'finished',
          (error: unknown) => error,
        );
      await server.connected;
      const begun = performance.now();
      stop.abort(new Error('deadline'));
      expect(await checking).toMatchObject({ message: 'deadline' });
      expect(performance.now() - begun).toBeLessThan(1000);
      await eventually('no process is left', () => processesWith(String(server.port)).length === 0, 1000);
      expect(workshops()).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it('in a submodule ends with all its helpers, too', async () => {
    const server = await silentServer();
    try {
      const ref = sandbox.pushUnreachableSubmodule(remote, `http://127.0.0.1:${server.port}/x`);
      const stop = new AbortController();
      const getting = git
        .get(stepContext(context.cacheDir, { signal: stop.signal }), {
          source: source({ uri: remote }),
          params: {},
          version: { ref },
          dir: sandbox.folder(),
        })
        .then(
          () => 'finished',
          (error: unknown) => error,
        );
      await server.connected;
      stop.abort(new Error('deadline'));
      expect(await getting).toMatchObject({ message: 'deadline' });
      await eventually('no process is left', () => processesWith(`:${server.port}/x`).length === 0, 1000);
    } finally {
      await server.close();
    }
  });

  it('lets a check that waits for another of the same source be aborted at once', async () => {
    const { withLock } = await import('./lock.js');
    let release = () => {};
    const busy = withLock(
      'key',
      new AbortController().signal,
      () => new Promise<void>((resolve) => (release = resolve)),
    );
    const stop = new AbortController();
    const waiting = withLock('key', stop.signal, async () => 'ran');
    stop.abort(new Error('deadline'));
    await expect(waiting).rejects.toThrow('deadline');
    release();
    await busy;
    expect(await withLock('key', new AbortController().signal, async () => 'ran')).toBe('ran');
  });
});

describe('git commands', () => {
  it('stop when they print more than the limit', async () => {
    writeFileSync(join(remote, 'big'), 'x'.repeat(100_000));
    const blob = sandbox.git(remote, 'hash-object', '-w', 'big');
    await withWorkshop(source({ uri: remote }), context, async (workshop) => {
      const small = new Git(workshop, context, { maxOutputBytes: 50_000 });
      await expect(small.run(remote, 'cat-file', 'blob', blob)).rejects.toThrow(
        'git cat-file printed too much and was stopped',
      );
      expect(await new Git(workshop, context).run(remote, 'cat-file', 'blob', blob)).toHaveLength(100_000);
    });
  });

  it('see nothing of the environment of the server', async () => {
    process.env['WEIR_TEST_SECRET'] = 'x';
    try {
      await withWorkshop(source({ uri: remote }), context, async (workshop) => {
        expect(workshop.env).not.toHaveProperty('WEIR_TEST_SECRET');
        const shown = await new Git(workshop, context)
          .run(remote, '-c', 'alias.env=!env', 'env')
          .catch((error: unknown) => String(error));
        expect(shown).not.toContain('WEIR_TEST_SECRET');
      });
    } finally {
      delete process.env['WEIR_TEST_SECRET'];
    }
  });
});

it('removes workshops of servers that were killed, and no others', async () => {
  const gone = join(tmpdir(), 'weir-git-999999999-abcdef');
  const foreign = join(tmpdir(), `weir-git-${process.ppid}-abcdef`);
  mkdirSync(gone, { recursive: true });
  mkdirSync(foreign, { recursive: true });
  const { sweepAbandoned } = await import('./workshop.js');
  await sweepAbandoned();
  expect([existsSync(gone), existsSync(foreign)]).toEqual([false, true]);
  const { rmdirSync } = await import('node:fs');
  rmdirSync(foreign);
});

describe('the source', () => {
  it.each([
    ['git_crypt_key', '***', 'git_crypt_key: '],
    ['forward_agent', true, "forward_agent: needs private_key: the server's own agent is not lent"],
    ['version_type', 'commit', 'version_type: '],
    ['branch_regex', 'x', 'branch_regex: needs version_type branches'],
    ['tag_behaviour', 'match_tag_ancestors', 'tag_behaviour: needs tag_filter or tag_regex'],
    ['gpg_keyserver', '--x', 'gpg_keyserver: is not the address of a key server'],
    ['commit_verification_key_ids', ['--import'], 'commit_verification_key_ids[0]: is not the id of a GPG key'],
    ['submodule_credentials', [{ url: 'https://h/x', private_key: 'k' }], 'submodule_credentials[0]'],
    ['https_tunnel', { proxy_host: 'p' }, 'https_tunnel.proxy_port'],
    ['uri', 'ext::sh -c touch% x', 'uri: is not an address of a repository'],
    ['uri', '--upload-pack=x', 'uri: is not an address of a repository'],
    ['uri', 'ssh://-oProxyCommand=x/y', 'uri: is not an address of a repository'],
    ['uri', undefined, 'uri: is missing'],
    ['branch', '--all', 'branch: is not a valid name of a branch'],
    ['branch', 'a..b', 'branch: is not a valid name of a branch'],
    ['tag_regex', '(', 'tag_regex: is not a valid regular expression'],
    ['brnach', 'x', 'brnach: unknown key; did you mean "branch"?'],
    [
      'git_config',
      [{ name: 'core.sshCommand', value: 'x' }],
      'git_config[0].name: "core.sshCommand" is not a setting pipelines may change',
    ],
    ['git_config', [{ name: 'filter.x.smudge', value: 'x' }], 'git_config[0].name: "filter.x.smudge" is not a setting'],
    [
      'git_config',
      [{ name: 'http.cookieFile', value: '/etc/shadow' }],
      'git_config[0].name: "http.cookieFile" is not a setting',
    ],
    ['git_config', [{ name: 'url.https://u:p@h/.insteadOf', value: 'x' }], 'holds a password'],
    ['git_config', [{ name: 'user.name\n[core]', value: 'x' }], 'git_config[0].name'],
  ])('refuses %s: %j', (key, value, message) => {
    expect(() => parseInput(gitSource, { uri: '/repo', [key]: value }, 'source')).toThrow(message);
  });

  it('lets pipelines set what is harmless, and no value begin another setting', async () => {
    const value = source({
      uri: remote,
      git_config: [
        { name: 'user.name', value: 'A "quoted" \\ name\n[core]\nsshCommand = x' },
        { name: 'url.https://example.test/.insteadOf', value: 'git@example.test:' },
      ],
    });
    await withWorkshop(value, context, async (workshop) => {
      const git = new Git(workshop, context);
      expect(await git.run(remote, 'config', '--global', 'user.name')).toBe(
        'A "quoted" \\ name\n[core]\nsshCommand = x',
      );
      expect(await git.run(remote, 'config', '--global', 'url.https://example.test/.insteadOf')).toBe(
        'git@example.test:',
      );
      expect(await git.run(remote, 'config', '--global', 'core.sshCommand')).toMatch(/^ssh -F/);
    });
  });

  it('tells the host that checks are limited by', () => {
    const hosts = [
      'https://u:p@example.test:8443/x',
      'git@example.test:x/y.git',
      'ssh://git@example.test:22/x',
      'file:///x',
      '/x',
    ];
    expect(hosts.map((uri) => git.hostOf?.(source({ uri })))).toEqual([
      'example.test:8443',
      'example.test',
      'example.test:22',
      undefined,
      undefined,
    ]);
  });
});

/** git's own http server behind node's. */
function serveGit(
  root: string,
  request: import('node:http').IncomingMessage,
  response: import('node:http').ServerResponse,
): void {
  const url = new URL(request.url ?? '/', 'http://x');
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const child = execFile(
      'git',
      ['http-backend'],
      {
        encoding: 'buffer',
        maxBuffer: 1 << 26,
        env: {
          PATH: savedPath,
          GIT_PROJECT_ROOT: root,
          GIT_HTTP_EXPORT_ALL: '1',
          GIT_CONFIG_GLOBAL: '/dev/null',
          REMOTE_USER: 'ada',
          PATH_INFO: url.pathname,
          QUERY_STRING: url.search.slice(1),
          REQUEST_METHOD: request.method,
          CONTENT_TYPE: request.headers['content-type'] ?? '',
          HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
          GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        },
      },
      (_error, stdout) => {
        const end = stdout.indexOf('\r\n\r\n');
        for (const line of stdout.subarray(0, end).toString().split('\r\n')) {
          const [name = '', value = ''] = line.split(': ');
          if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
          else response.setHeader(name, value);
        }
        response.end(stdout.subarray(end + 4));
      },
    );
    child.stdin?.on('error', () => undefined); // it may answer without reading
    child.stdin?.end(Buffer.concat(chunks));
  });
}
