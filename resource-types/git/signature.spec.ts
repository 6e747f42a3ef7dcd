import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { GitSandbox } from '../../test/support/git-sandbox.js';
import { processesWith } from '../../test/support/processes.js';
import { stepContext } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';

const has = (program: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    console.warn(`${program} is not installed: tests that need it are skipped`);
    return false;
  }
};
const withGpg = has('gpg') ? it : it.skip;
const withGitCrypt = has('git-crypt') ? it : it.skip;

let sandbox: GitSandbox;
let remote: string;
let home: string;
beforeAll(() => {
  sandbox = new GitSandbox();
  remote = sandbox.remote();
  home = sandbox.folder('gpg-');
  chmodSync(home, 0o700);
});
afterAll(() => {
  if (existsSync(home))
    execFileSync('sh', ['-c', 'command -v gpgconf >/dev/null && gpgconf --kill all || true'], { env: gpgEnv() });
  sandbox.remove();
});

const gpgEnv = () => ({ PATH: process.env['PATH'], GNUPGHOME: home, HOME: home });
const gpg = (...args: string[]) =>
  execFileSync('gpg', ['--batch', '--quiet', ...args], { env: gpgEnv(), encoding: 'utf8' });
/** @returns the public key. */
function makeKey(name: string): string {
  gpg('--passphrase', '', '--quick-generate-key', `${name} <${name}@example.test>`, 'ed25519', 'sign', 'never');
  return gpg('--armor', '--export', `${name}@example.test`);
}
function signed(work: string, signer: string, ...args: string[]): string {
  const settings = [
    '-c',
    `user.signingKey=${signer}@example.test`,
    '-c',
    'user.name=S',
    '-c',
    'user.email=s@example.test',
  ];
  execFileSync('git', [...settings, ...args], { cwd: work, env: gpgEnv() });
  return sandbox.git(work, 'rev-parse', 'HEAD');
}
const get = (ref: string, more: Record<string, unknown>, uri = remote) => {
  const dir = sandbox.folder();
  const source = parseInput(git.schema.source, { uri, branch: 'main', ...more }, 'source');
  return git
    .get(stepContext(sandbox.folder('cache-')), { source, params: {}, version: { ref }, dir })
    .then((result) => ({ ...result, dir }));
};

describe('commit_verification_keys', () => {
  withGpg('lets only commits and tags through that are signed with one of them', async () => {
    const [ann, bob] = [makeKey('ann'), makeKey('bob')];
    const work = sandbox.clone(remote, 'signed');
    const plain = sandbox.commit(work, { a: '1' }, 'not signed');
    signed(work, 'ann', 'tag', '-s', '-m', 'signed tag', 'v1');
    const byAnn = signed(work, 'ann', 'commit', '--quiet', '--allow-empty', '-S', '-m', 'by ann');
    const byBob = signed(work, 'bob', 'commit', '--quiet', '--allow-empty', '-S', '-m', 'by bob');
    sandbox.git(work, 'push', '--quiet', '--tags', 'origin', 'HEAD:main');

    const trusted = { commit_verification_keys: [ann] };
    expect((await get(byAnn, trusted)).version).toEqual({ ref: byAnn });
    expect((await get('v1', { ...trusted, version_type: 'tags' })).version).toEqual({ ref: 'v1' });
    expect((await get(byBob, { commit_verification_keys: [ann, bob] })).version).toEqual({ ref: byBob });
    await expect(get(byBob, trusted)).rejects.toMatchObject({
      name: 'ResourceFailure',
      message: expect.stringMatching(
        /^[0-9a-f]{7} is not signed with one of the commit_verification_keys: .*No public key/s,
      ),
    });
    await expect(get(plain, trusted)).rejects.toThrow('it has no signature');
    await expect(get('v1', { commit_verification_keys: [bob], version_type: 'tags' })).rejects.toThrow('is not signed');
  });

  withGpg('says what is wrong with a key', async () => {
    await expect(
      get(sandbox.git(remote, 'rev-parse', 'main'), { commit_verification_keys: ['no key'] }),
    ).rejects.toThrow('commit_verification_keys: gpg failed: gpg: no valid OpenPGP data found');
  });

  withGpg('says when the key server gives none, and leaves no program behind', async () => {
    const more = { commit_verification_key_ids: ['0xDEADBEEFDEADBEEF'], gpg_keyserver: 'hkp://127.0.0.1:9' };
    await expect(get(sandbox.git(remote, 'rev-parse', 'main'), more)).rejects.toThrow(/gpg failed: .*keyserver/s);
    expect(processesWith('weir-git-').filter((command) => /dirmngr|gpg-agent/.test(command))).toEqual([]);
  });

  it('names the package when gpg is missing', async () => {
    const saved = process.env['PATH'];
    const bin = sandbox.folder('bin-');
    for (const program of ['sh', 'git', 'setsid', 'cat', 'sleep', 'rm'])
      execFileSync('sh', ['-c', `ln -s "$(command -v ${program})" ${bin}/`]);
    process.env['PATH'] = bin;
    try {
      const ref = execFileSync('/usr/bin/env', [`PATH=${saved ?? ''}`, 'git', 'rev-parse', 'main'], {
        cwd: remote,
        encoding: 'utf8',
      });
      await expect(get(ref.trim(), { commit_verification_keys: ['k'] })).rejects.toThrow(
        'commit_verification_keys needs gpg, which is not installed on this server (Debian package gnupg)',
      );
      await expect(get(ref.trim(), { git_crypt_key: 'AAAA' })).rejects.toThrow(
        'git_crypt_key needs git-crypt, which is not installed on this server (Debian package git-crypt)',
      );
    } finally {
      process.env['PATH'] = saved;
    }
  });
});

describe('git_crypt_key', () => {
  withGitCrypt('decrypts the files, and fails when it does not fit', async () => {
    const secret = sandbox.remote('secret.git');
    const work = sandbox.clone(secret, 'crypt');
    const crypt = (cwd: string, ...args: string[]) => execFileSync('git-crypt', args, { cwd, env: gpgEnv() });
    crypt(work, 'init');
    writeFileSync(join(work, '.gitattributes'), 'secret filter=git-crypt diff=git-crypt\n');
    const ref = sandbox.commit(work, { secret: 'the password\n' }, 'secret');
    sandbox.git(work, 'push', '--quiet', 'origin', 'main');
    crypt(work, 'export-key', join(sandbox.dir, 'key'));
    const key = readFileSync(join(sandbox.dir, 'key')).toString('base64');

    const open = await get(ref, { git_crypt_key: key }, secret);
    expect(readFileSync(join(open.dir, 'secret'), 'utf8')).toBe('the password\n');
    const closed = await get(ref, {}, secret);
    expect(readFileSync(join(closed.dir, 'secret'), 'latin1')).toContain('GITCRYPT');

    const other = join(sandbox.dir, 'other');
    mkdirSync(other);
    sandbox.git(other, 'init', '--quiet');
    crypt(other, 'init');
    crypt(other, 'export-key', join(sandbox.dir, 'wrong'));
    const wrong = readFileSync(join(sandbox.dir, 'wrong')).toString('base64');
    await expect(get(ref, { git_crypt_key: wrong }, secret)).rejects.toThrow('git_crypt_key: git-crypt failed');
    await expect(get(ref, { git_crypt_key: 'AAAA' }, secret)).rejects.toThrow(/git_crypt_key: git-crypt failed: .*key/);
  });

  (has('gpg') ? withGitCrypt : it.skip)('may be a GPG key that the repository knows', async () => {
    gpg('--passphrase', '', '--quick-generate-key', 'eve <eve@example.test>', 'future-default', 'default', 'never');
    const secret = sandbox.remote('secret-by-gpg.git');
    const work = sandbox.clone(secret, 'crypt-gpg');
    const crypt = (...args: string[]) => execFileSync('git-crypt', args, { cwd: work, env: gpgEnv(), stdio: 'pipe' });
    crypt('init');
    crypt('add-gpg-user', '--trusted', '--no-commit', 'eve@example.test');
    writeFileSync(join(work, '.gitattributes'), 'secret filter=git-crypt diff=git-crypt\n');
    const ref = sandbox.commit(work, { secret: 'the password\n' }, 'secret');
    sandbox.git(work, 'push', '--quiet', 'origin', 'main');
    const key = gpg('--armor', '--export-secret-keys', 'eve@example.test');
    const { dir } = await get(ref, { git_crypt_gpg_key: key }, secret);
    expect(readFileSync(join(dir, 'secret'), 'utf8')).toBe('the password\n');
    expect(processesWith('weir-git-').filter((command) => command.includes('gpg-agent'))).toEqual([]);
  });
});
