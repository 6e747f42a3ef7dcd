import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** This release, from package.json, which stands above both `src` and `dist`. */
export const VERSION: string = readVersion(path.dirname(fileURLToPath(import.meta.url)));

function readVersion(folder: string): string {
  const file = path.join(folder, 'package.json');
  if (existsSync(file)) {
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
    if (name === 'weir' && version !== undefined) return version;
  }
  const parent = path.dirname(folder);
  if (parent === folder) throw new Error('package.json of weir was not found above the program');
  return readVersion(parent);
}
