import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ENV = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.test',
  GIT_COMMITTER_NAME: 'Grace',
  GIT_COMMITTER_EMAIL: 'grace@example.test',
};

/** A folder that is gone after the test, with real git repositories in it. */
export class GitSandbox {
  readonly dir = mkdtempSync(join(tmpdir(), 'weir-test-git-'));

  /** A bare repository `name` with one commit on main. @returns its path. */
  remote(name = 'remote.git'): string {
    const bare = join(this.dir, name);
    this.git(this.dir, 'init', '--quiet', '--bare', '--initial-branch=main', bare);
    this.push(bare, { 'README.md': 'hello\n' }, 'first');
    return bare;
  }

  /** A clone in the folder, relative to the sandbox. @returns its path. */
  clone(bare: string, name: string): string {
    const work = resolve(this.dir, name);
    this.git(this.dir, 'clone', '--quiet', bare, work);
    return work;
  }

  /** Commits the files. @returns the sha. */
  commit(work: string, files: Record<string, string>, message: string): string {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(work, path)), { recursive: true });
      writeFileSync(join(work, path), text);
    }
    this.git(work, 'add', '--all');
    this.git(work, 'commit', '--quiet', '--allow-empty', '--message', message);
    return this.git(work, 'rev-parse', 'HEAD');
  }

  /** Commits to the main branch of a bare repository, without a working copy: tests do this often. @returns the sha. */
  push(bare: string, files: Record<string, string>, message: string): string {
    const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
    const when = `${Math.floor(Date.now() / 1000)} +0000`;
    const isFirst = this.git(bare, 'branch', '--list', 'main') === '';
    const commit = [
      'commit refs/heads/main\n',
      `author ${ENV.GIT_AUTHOR_NAME} <${ENV.GIT_AUTHOR_EMAIL}> ${when}\n`,
      `committer ${ENV.GIT_COMMITTER_NAME} <${ENV.GIT_COMMITTER_EMAIL}> ${when}\n`,
      data(`${message}\n`),
      isFirst ? '' : 'from refs/heads/main^0\n',
      ...Object.entries(files).map(([path, text]) => `M 100644 inline ${path}\n${data(text)}`),
    ];
    execFileSync('git', ['fast-import', '--quiet'], { cwd: bare, env: ENV, input: commit.join('') });
    return this.git(bare, 'rev-parse', 'main');
  }

  git(cwd: string, ...args: readonly string[]): string {
    return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
      cwd,
      env: ENV,
      encoding: 'utf8',
    }).trimEnd();
  }

  /** Pushes a commit with a submodule at `x` that nobody has ever seen at that address. @returns the sha. */
  pushUnreachableSubmodule(bare: string, url: string): string {
    const work = this.clone(bare, `submodule-of-${url.replaceAll(/\W/g, '-')}`);
    mkdirSync(join(work, 'x'));
    writeFileSync(join(work, '.gitmodules'), `[submodule "x"]\n\tpath = x\n\turl = ${url}\n`);
    this.git(work, 'add', '.gitmodules');
    this.git(work, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},x`);
    this.git(work, 'commit', '--quiet', '--message', 'submodule');
    this.git(work, 'push', '--quiet', 'origin', 'HEAD:refs/heads/main');
    return this.git(work, 'rev-parse', 'HEAD');
  }

  /** An empty folder. */
  folder(prefix = 'folder-'): string {
    return mkdtempSync(join(this.dir, prefix));
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Accepts connections on 127.0.0.1 and never answers. */
export async function silentServer(): Promise<{
  readonly port: number;
  connected: Promise<void>;
  close(): Promise<void>;
}> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  const connected = new Promise<void>((resolve) => server.once('connection', () => resolve()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    port: address.port,
    connected,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
