import { join } from 'node:path';
import {
  findPipeline,
  finishSync,
  lockClaim,
  lockOrphans,
  type Db,
  type SourceClaim,
  type Tx,
} from '../../persistence/index.js';
import { folderOfUri, localPathRefusal, UserError, type Clock, type Settings } from '../../platform/index.js';
import type { Problem } from '../config/index.js';
import type { PipelinesService } from '../pipelines.service.js';
import { GitError, withGit, type Git } from './git-session.js';
import { pipelinesOfCommit, type PipelineFile } from './pipelines-of-commit.js';
import { askForCommit, readCommit, type CommitFiles } from './read-repository.js';
import type { SourceCredentials, SyncError } from './types.js';

export interface SyncTools {
  readonly db: Db;
  readonly pipelines: PipelinesService;
  readonly clock: Clock;
  /** The folder of all clones. */
  readonly dir: string;
  readonly settings: Settings;
}

/** What a sync came to, for the log. */
export type SyncResult = 'unchanged' | 'set' | 'refused' | 'unreadable' | 'lost';

/** Longest pause between two tries to read a repository that does not answer. */
const MOST_BACKOFF_MS = 600_000;

/**
 * Brings the pipelines of one claimed source in line with its newest commit, and writes how that went. All pipelines of
 * the commit are set in one transaction, or none. @throws only after an abort, or when the database fails.
 */
export async function syncSource(tools: SyncTools, source: SourceClaim, signal: AbortSignal): Promise<SyncResult> {
  try {
    const found = await readSource(tools, source, signal);
    if (found.kind === 'known') return await recordKnown(tools, source, found.commit);
    const { pipelines, problems } = pipelinesOfCommit(found, source);
    if (problems.length > 0) return await recordRefusal(tools, source, found.commit, problems);
    return await apply(tools, source, found, pipelines);
  } catch (error) {
    if (error instanceof GitError) return recordUnreadable(tools, source, error.message);
    if (error instanceof Refusal) return recordRefusal(tools, source, error.commit, [error.problem]);
    throw error;
  }
}

type Found = ({ readonly kind: 'files' } & CommitFiles) | { readonly kind: 'known'; readonly commit: string };

async function readSource({ dir, settings }: SyncTools, source: SourceClaim, signal: AbortSignal): Promise<Found> {
  const { uri, pathGlob } = source;
  const folder = folderOfUri(uri);
  const refusal = folder === undefined ? undefined : await localPathRefusal(settings, folder);
  if (refusal !== undefined) throw new GitError(refusal);
  const credentials = source.credentials as SourceCredentials;
  return withGit({ credentials, uri, dir, knownHosts: join(dir, 'known_hosts'), signal }, async (git: Git) => {
    const commit = await askForCommit(git, dir, source);
    if (!source.requested && isKnown(source, commit)) return { kind: 'known', commit };
    return { kind: 'files', ...(await readCommit(git, join(dir, String(source.id)), source, pathGlob)) };
  });
}

/** Is what this commit comes to on record already, be it pipelines or problems? */
function isKnown(source: SourceClaim, commit: string): boolean {
  const error = source.lastError as SyncError | null;
  return error?.kind === 'config' ? error.commit === commit : source.lastCommit === commit;
}

/** A pipeline of the commit cannot be set, for a reason outside its file. */
class Refusal extends Error {
  constructor(
    readonly commit: string,
    readonly problem: Problem,
  ) {
    super(problem.message);
  }
}

async function apply(
  tools: SyncTools,
  source: SourceClaim,
  found: CommitFiles,
  files: readonly PipelineFile[],
): Promise<SyncResult> {
  return tools.db.tx(async (tx) => {
    if (!(await lockClaim(tx, source))) return 'lost';
    for (const file of files) await setFile(tx, tools, source, found, file);
    const names = files.map((file) => file.name);
    const who = { by: authorOf(source), reason: `its file is not in commit ${found.commit.slice(0, 12)}` };
    for (const orphan of await lockOrphans(tx, source.id, names)) {
      await tools.pipelines.archivePipelineIn(tx, orphan.id, who);
    }
    const error = files.length === 0 ? noFiles(tools, source, found.commit) : null;
    await finishSync(tx, source, {
      error,
      commit: found.commit,
      wasRead: true,
      failures: 0,
      nextInMs: soon(tools, source),
    });
    return 'set';
  });
}

async function setFile(
  tx: Tx,
  { pipelines }: SyncTools,
  source: SourceClaim,
  { commit, author }: CommitFiles,
  { name, path, config }: PipelineFile,
): Promise<void> {
  const refuse = (message: string): never => {
    throw new Refusal(commit, { path: '', message, file: path, line: 1, column: 1 });
  };
  const present = await findPipeline(tx, { teamName: source.teamName, name });
  if (present !== undefined && !present.archived && present.sourceId !== null && present.sourceId !== source.id) {
    refuse(`pipeline '${name}' belongs to source '${present.sourceName}'`);
  }
  try {
    await pipelines.setPipelineIn(tx, {
      teamName: source.teamName,
      name,
      config,
      by: authorOf(source),
      source: { sourceId: source.id, path, commit, author },
      paused: false,
    });
  } catch (error) {
    if (error instanceof UserError) refuse(error.message);
    throw error;
  }
}

async function recordKnown({ db, ...tools }: SyncTools, source: SourceClaim, commit: string): Promise<SyncResult> {
  const error = source.lastError as SyncError | null;
  const stays = error?.kind === 'config' && error.commit === commit ? error : null;
  const nextInMs = soon(tools, source);
  await db.tx((tx) => finishSync(tx, source, { error: stays, wasRead: true, failures: 0, nextInMs }));
  return 'unchanged';
}

async function recordRefusal(
  tools: SyncTools,
  source: SourceClaim,
  commit: string,
  problems: readonly Problem[],
): Promise<SyncResult> {
  const files = new Set(problems.map((problem) => problem.file)).size;
  const count = `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in ${files} ${files === 1 ? 'file' : 'files'}`;
  const message = `commit ${commit.slice(0, 12)} changed nothing: ${count}`;
  const error: SyncError = { kind: 'config', message, commit, problems, at: tools.clock.now().toISOString() };
  const nextInMs = soon(tools, source);
  await tools.db.tx((tx) => finishSync(tx, source, { error, wasRead: true, failures: 0, nextInMs }));
  return 'refused';
}

function noFiles({ clock }: SyncTools, source: SourceClaim, commit: string): SyncError {
  const message = `no file of commit ${commit.slice(0, 12)} matches '${source.pathGlob}'`;
  return { kind: 'config', message, commit, problems: [], at: clock.now().toISOString() };
}

async function recordUnreadable(tools: SyncTools, source: SourceClaim, reason: string): Promise<SyncResult> {
  const message = `cannot read ${source.uri}: ${reason}`;
  const error: SyncError = { kind: 'repository', message, problems: [], at: tools.clock.now().toISOString() };
  const failures = source.failures + 1;
  const backoffMs = soon(tools, source) * 2 ** Math.min(failures - 1, 10);
  const nextInMs = Math.min(backoffMs, Math.max(MOST_BACKOFF_MS, source.intervalSeconds * 1000));
  await tools.db.tx((tx) => finishSync(tx, source, { error, wasRead: false, failures, nextInMs }));
  return 'unreadable';
}

/** The interval, spread a little so that sources made together drift apart. */
function soon({ clock }: Pick<SyncTools, 'clock'>, source: SourceClaim): number {
  return source.intervalSeconds * 1000 * (0.9 + 0.2 * clock.random());
}

function authorOf(source: SourceClaim): string {
  return `source ${source.name}`;
}
