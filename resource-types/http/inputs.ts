import { readdir, stat } from 'node:fs/promises';
import picomatch from 'picomatch';
import { ResourceFailure } from '../../src/resources/contract.js';
import { findInput } from '../registry-image/shared.js';

/** A file among a step's inputs. */
export interface InputFile {
  /** As seen from the step. */
  readonly path: string;
  readonly realPath: string;
  readonly sizeBytes: number;
}

/** The files that match a glob, in the order of their paths; `**` matches folders. @throws ResourceFailure when one leads out. */
export async function findInputFiles(dir: string, glob: string): Promise<readonly InputFile[]> {
  const wanted = glob.replace(/^(?:\.?\/)+/, '');
  const isMatch = picomatch(wanted);
  const paths = (await readdir(dir, { recursive: true })).filter((path) => path === wanted || isMatch(path)).toSorted();
  const files = await Promise.all(
    paths.map(async (path) => {
      const realPath = await findInput(dir, path);
      const info = await stat(realPath);
      return info.isFile() ? [{ path, realPath, sizeBytes: info.size }] : [];
    }),
  );
  const found = files.flat();
  if (found.length === 0) throw new ResourceFailure(`no file among the step's inputs matches '${glob}'`);
  return found;
}
