import { copyFile, cp, mkdir, readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { ResourceFailure } from '../../src/resources/contract.js';
import type { Git } from './git.js';

/**
 * Opens the repository of a step for pushing: a new repository at `workDir` with the step's objects (by reference), its
 * references and HEAD, but none of its configuration and hooks. Those were written by tasks, and git would run
 * programs they name, here in the server.
 *
 * @throws ResourceFailure when the folder is no repository, or reaches outside of `root`.
 */
export async function openPushedRepository(git: Git, root: string, folder: string, workDir: string): Promise<void> {
  const realRoot = await realpath(root);
  const repository = await insideOf(realRoot, resolve(root, folder), `repository '${folder}'`);
  const gitDir = await findGitDir(realRoot, repository, folder);
  const shared = (await readText(join(gitDir, 'commondir')))?.trim();
  const common = shared === undefined ? gitDir : await insideOf(realRoot, resolve(gitDir, shared), `'${folder}'`);
  await refuseLinks(common, folder);
  if (gitDir !== common) await refuseLinks(gitDir, folder);
  if (await exists(join(common, 'objects', 'info', 'alternates'))) {
    throw new ResourceFailure(
      `repository '${folder}' borrows objects from another repository (objects/info/alternates)`,
    );
  }
  if (await exists(join(common, 'reftable')))
    throw new ResourceFailure(`repository '${folder}' keeps its references in a reftable, which put cannot read`);

  const config = (await readText(join(common, 'config'))) ?? '';
  const format = /^\s*objectformat\s*=\s*sha256\s*$/im.test(config) ? 'sha256' : 'sha1';
  await mkdir(workDir, { recursive: true });
  await git.run(workDir, 'init', '--quiet', `--object-format=${format}`);
  const target = join(workDir, '.git');
  await writeFile(join(target, 'objects', 'info', 'alternates'), `${join(common, 'objects')}\n`);
  await cp(join(common, 'refs'), join(target, 'refs'), { recursive: true });
  await copyIfThere(join(common, 'packed-refs'), join(target, 'packed-refs'));
  await copyIfThere(join(common, 'shallow'), join(target, 'shallow'));
  await copyFile(join(gitDir, 'HEAD'), join(target, 'HEAD'));
}

/** Text of a file of the step. @throws ResourceFailure when it is missing or outside of the step's folder. */
export async function readStepFile(root: string, path: string, param: string): Promise<string> {
  const file = await insideOf(await realpath(root), resolve(root, path), `${param} '${path}'`);
  const text = await readText(file);
  if (text === undefined) throw new ResourceFailure(`${param}: '${path}' is not a file`);
  return text;
}

async function findGitDir(root: string, repository: string, folder: string): Promise<string> {
  const dotGit = join(repository, '.git');
  const pointer = await readText(dotGit);
  const target = pointer === undefined ? undefined : /^gitdir: (.+)$/m.exec(pointer)?.[1];
  const candidates = target === undefined ? [dotGit, repository] : [resolve(repository, target)];
  for (const candidate of candidates) {
    if (
      !(await exists(join(candidate, 'HEAD'))) ||
      !((await exists(join(candidate, 'objects'))) || (await exists(join(candidate, 'commondir'))))
    )
      continue;
    return insideOf(root, candidate, `'${folder}'`);
  }
  throw new ResourceFailure(`repository: '${folder}' is not a git repository`);
}

async function insideOf(root: string, path: string, what: string): Promise<string> {
  const real = await realpath(path).catch(() => {
    throw new ResourceFailure(`${what} does not exist among the step's inputs`);
  });
  if (real !== root && !real.startsWith(root + sep))
    throw new ResourceFailure(`${what} leads out of the step's inputs`);
  return real;
}

/** A link among objects or references could make the server read, and push, what is not the step's. */
async function refuseLinks(dir: string, folder: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.isSymbolicLink())
      throw new ResourceFailure(`repository '${folder}' holds a symbolic link: ${join(dir, entry.name)}`);
    const isNested = entry.name === 'modules' || entry.name === 'worktrees';
    if (entry.isDirectory() && !isNested) await refuseLinks(join(dir, entry.name), folder);
  }
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function copyIfThere(from: string, to: string): Promise<void> {
  if (await exists(from)) await copyFile(from, to);
}
