import { readdir, readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import picomatch from 'picomatch';
import { ResourceFailure } from '../../src/resources/contract.js';

/** The text of a file among a step's inputs. @throws ResourceFailure when it is not there or leads out. */
export async function readInput(dir: string, path: string): Promise<string> {
  return readFile(await findInput(dir, path), 'utf8');
}

/** The real path of something among a step's inputs. @throws ResourceFailure when it is not there or leads out. */
export async function findInput(dir: string, path: string): Promise<string> {
  const root = await realpath(dir);
  const found = await realpath(join(root, path)).catch(() => undefined);
  if (found === undefined) throw new ResourceFailure(`there is no '${path}' among the step's inputs`);
  if (!found.startsWith(root + sep)) throw new ResourceFailure(`'${path}' leads out of the step's inputs`);
  return found;
}

/** The real path of the one thing that matches the glob. `*` matches within one name. @throws ResourceFailure */
export async function findOneInput(dir: string, glob: string): Promise<string> {
  const isLiteral = await findInput(dir, glob).then(
    () => true,
    () => false,
  );
  if (isLiteral) return findInput(dir, glob);
  let matches = [''];
  for (const segment of glob.split('/').filter((name) => name !== '' && name !== '.')) {
    if (segment === '..') throw new ResourceFailure(`'${glob}' leads out of the step's inputs`);
    const isMatch = picomatch(segment);
    const deeper = await Promise.all(
      matches.map(async (folder) => {
        const names = await readdir(join(dir, folder)).catch(() => []); // a file on the way
        return names.filter((name) => isMatch(name)).map((name) => join(folder, name));
      }),
    );
    matches = deeper.flat().toSorted();
  }
  const [found, ...others] = matches;
  if (found === undefined) throw new ResourceFailure(`nothing among the step's inputs matches '${glob}'`);
  if (others.length > 0) throw new ResourceFailure(`'${glob}' must match one image, not ${matches.join(', ')}`);
  return findInput(dir, found);
}
