import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GitError, sweepSessions, withGit } from './git-session.js';

let dir: string;
let server: Server | undefined;
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'weir-git-'));
});
afterEach(() => {
  server?.close();
  rmSync(dir, { recursive: true, force: true });
});
const session = (credentials = {}, uri = '/nowhere', signal = new AbortController().signal) => ({
  credentials,
  uri,
  dir,
  knownHosts: path.join(dir, 'known hosts'),
  signal,
});

describe('running git', () => {
  it('ends a command that gets no answer, together with its helpers', async () => {
    const connected = new Promise<Socket>((resolve) => (server = createServer(resolve)));
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    const uri = `http://127.0.0.1:${(server!.address() as AddressInfo).port}/r.git`;
    const asked = withGit(session({}, uri), (git) => git(['ls-remote', '--', uri], { cwd: dir, timeoutMs: 1_500 }));
    const closed = connected.then((socket) => new Promise((resolve) => socket.once('close', resolve).resume()));
    await expect(asked).rejects.toThrow(new GitError('no answer within 1.5 s'));
    await closed;
  });

  it('tells the reason of git and nothing else', async () => {
    const asked = withGit(session(), (git) => git(['ls-remote', '--', '/nowhere'], { cwd: dir, timeoutMs: 10_000 }));
    await expect(asked).rejects.toThrow("'/nowhere' does not appear to be a git repository");
  });

  it('never shows a secret, even if git prints it', async () => {
    const secret = 'hunter2-hunter2';
    const asked = withGit(session({ username: 'u', password: secret }, 'https://example.com/r'), (git) =>
      git(['rev-parse', '--verify', secret], { cwd: dir, timeoutMs: 10_000 }),
    );
    await expect(asked).rejects.toThrow(GitError);
    await expect(asked).rejects.not.toThrow(secret);
  });

  it('gives ssh the key as a file that only we may read, and removes it', async () => {
    const command = await withGit(session({ private_key: 'KEY' }, 'git@example.com:r'), (git) =>
      git(['config', '--get', 'core.sshCommand'], { cwd: dir, timeoutMs: 10_000 }),
    );
    expect(command).toContain('IdentityFile=');
    expect(command).toContain(`UserKnownHostsFile="${path.join(dir, 'known hosts')}"`);
    expect(command).not.toContain('KEY');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('stops with the reason of the abort', async () => {
    const stop = new AbortController();
    stop.abort(new Error('shutting down'));
    const asked = withGit(session({}, '/nowhere', stop.signal), (git) =>
      git(['version'], { cwd: dir, timeoutMs: 10_000 }),
    );
    await expect(asked).rejects.toThrow('shutting down');
  });

  it('sweeps what a killed server left behind', async () => {
    await withGit(session(), async () => {
      writeFileSync(path.join(dir, 'known_hosts'), '');
      expect(readdirSync(dir)).toHaveLength(2);
      await sweepSessions(dir);
      expect(readdirSync(dir)).toEqual(['known_hosts']);
    });
    await sweepSessions(path.join(dir, 'absent'));
  });
});
