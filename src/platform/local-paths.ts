import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Settings } from './settings.js';

/**
 * Why pipelines may not use a folder of this machine as a git repository, with the way out; undefined when they may. The
 * server reads it with its own rights, so the operator decides: `--git-local-paths`. Open without being named are the example
 * of the data folder and what `--source` names. Links are followed first.
 */
export async function localPathRefusal(settings: Settings, folder: string): Promise<string | undefined> {
  const { gitLocalPaths: open } = settings;
  if (open === 'allow') return undefined;
  const way = `start the server with --git-local-paths ${folder} (or WEIR_GIT_LOCAL_PATHS) to open it`;
  const refusal = `folders of the server's machine are closed to pipelines, and ${folder} is none of the open ones; ${way}`;
  if (open === 'deny') return `folders of the server's machine are closed to pipelines (--git-local-paths deny)`;
  if (!path.isAbsolute(folder)) return refusal;
  const given = await resolved(folder);
  for (const prefix of [path.join(settings.dataDir, 'example'), ...sourceFolders(settings), ...open]) {
    const root = await resolved(prefix);
    if (given === root || given.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) return undefined;
  }
  return refusal;
}

/** The folder of an address of a repository on this machine (a path or a file URL); undefined for any other address. */
export function folderOfUri(uri: string): string | undefined {
  if (/^file:/i.test(uri)) return URL.canParse(uri) ? fileURLToPath(uri) : uri;
  return /^\.{0,2}\//.test(uri) ? uri : undefined;
}

function sourceFolders({ sources }: Settings): string[] {
  return sources.flatMap(({ uri }) => folderOfUri(uri) ?? []);
}

/** Without links, as far as it exists. */
async function resolved(folder: string): Promise<string> {
  const absolute = path.resolve(folder);
  const real = await realpath(absolute).catch(() => undefined);
  if (real !== undefined) return real;
  const parent = path.dirname(absolute);
  return parent === absolute ? absolute : path.join(await resolved(parent), path.basename(absolute));
}
