import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { didYouMean } from '../model/index.js';
import { ApiClient } from './client.js';
import { CliError, type Io } from './io.js';
import type { TlsOptions } from './tls-fetch.js';

const FILE = '.weirrc';
export const DEFAULT_URL = 'http://127.0.0.1:8080';

/** A server the person logged in to, under a name of their choice. */
export interface Target {
  readonly url: string;
  readonly team: string;
  readonly token?: string;
  /** For a server whose certificate the machine does not know. */
  readonly tls?: TlsOptions;
}

interface TargetsFile {
  readonly current?: string;
  readonly targets: Readonly<Record<string, Target>>;
}

/** What stands in `~/.weirrc`; nothing yet is no error. @throws {@link CliError} when it is not what we wrote. */
export async function readTargets(io: Io): Promise<TargetsFile> {
  const file = path.join(io.home, FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return { targets: {} };
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`);
  }
  try {
    const parsed = JSON.parse(text) as TargetsFile;
    return { ...parsed, targets: parsed.targets ?? {} };
  } catch {
    throw new CliError(`${file} is not JSON; remove it and log in again`);
  }
}

/** Keeps a target, and makes it the current one. */
export async function saveTarget(io: Io, name: string, target: Target): Promise<void> {
  const { targets } = await readTargets(io);
  await writeTargets(io, { current: name, targets: { ...targets, [name]: target } });
}

/** Replaces the file in one step; only its owner can read it, for it holds tokens. */
export async function writeTargets(io: Io, content: TargetsFile): Promise<void> {
  const file = path.join(io.home, FILE);
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, file);
}

export interface TargetChoice {
  /** `-t`. */
  readonly target?: string;
  /** `--team`. */
  readonly team?: string;
}

/**
 * The target of this command and its name: `-t` first, then `WEIR_TARGET_URL` and `WEIR_TOKEN`, then the last login.
 * @throws {@link CliError} when there is none.
 */
export async function chooseTarget(
  io: Io,
  { target, team }: TargetChoice,
): Promise<Target & { readonly name?: string }> {
  const { WEIR_TARGET_URL: url, WEIR_TOKEN: token } = io.env;
  if (target === undefined && (url || token)) {
    return { url: cleanUrl(url || DEFAULT_URL), team: team ?? 'main', ...(token ? { token } : {}) };
  }
  const file = await readTargets(io);
  const name = target ?? file.current;
  if (name === undefined) throw new CliError('not logged in to any server: run `weir login`');
  const found = demandTarget(file, name);
  return { ...found, name, ...(team === undefined ? {} : { team }) };
}

/** @throws {@link CliError} naming a near one. */
export function demandTarget({ targets }: TargetsFile, name: string): Target {
  const found = targets[name];
  if (found) return found;
  throw new CliError(
    `no target "${name}" in ~/${FILE}${didYouMean(name, Object.keys(targets))}: run \`weir login -t ${name}\``,
  );
}

export async function connect(io: Io, choice: TargetChoice): Promise<ApiClient> {
  const { url, team, token, tls } = await chooseTarget(io, choice);
  return new ApiClient(url, team, token, tls);
}

/** @throws {@link CliError} unless it is an http address. */
export function cleanUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new CliError(`"${text}" is not an address such as ${DEFAULT_URL}`);
  return url.href.replace(/\/+$/, '');
}
