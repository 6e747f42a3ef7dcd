import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MetadataField } from '../../src/resources/contract.js';
import type { Git } from './git.js';
import { commitPage } from './uri.js';

/** What is told about a commit, in metadata and in the helper files. */
export interface CommitFacts {
  readonly sha: string;
  readonly author: string;
  readonly authorEmail: string;
  readonly authorDate: string;
  readonly committer: string;
  readonly committerEmail: string;
  readonly committerDate: string;
  readonly message: string;
  readonly tags: readonly string[];
  readonly branch: string | undefined;
  readonly page: string | undefined;
}

/** Reads the facts of a commit. Dates have git's `dateFormat`. */
export async function readCommitFacts(
  git: Git,
  repository: string,
  commit: string,
  about: { readonly uri: string; readonly branch?: string; readonly dateFormat?: string },
): Promise<CommitFacts> {
  const format = ['%H', '%an', '%ae', '%ad', '%cn', '%ce', '%cd', '%B'].join('%x00');
  const shown = await git.run(
    repository,
    'log',
    '-1',
    `--date=${about.dateFormat ?? 'iso8601'}`,
    `--format=${format}`,
    commit,
    '--',
  );
  const [
    sha = '',
    author = '',
    authorEmail = '',
    authorDate = '',
    committer = '',
    committerEmail = '',
    committerDate = '',
    message = '',
  ] = shown.split('\0');
  const tags = await git.run(repository, 'tag', '--points-at', sha);
  return {
    ...{ sha, author, authorEmail, authorDate, committer, committerEmail, committerDate },
    message: message.trimEnd(),
    tags: tags === '' ? [] : tags.split('\n'),
    branch: about.branch,
    page: commitPage(about.uri, sha),
  };
}

/** The facts as a version's metadata; unknown ones are left out. */
export function metadataOf(facts: CommitFacts): MetadataField[] {
  const fields: [string, string | undefined][] = [
    ['commit', facts.sha],
    ['author', facts.author],
    ['author_date', facts.authorDate],
    ['committer', facts.committer],
    ['committer_date', facts.committerDate],
    ['message', facts.message],
    ['branch', facts.branch],
    ['tags', facts.tags.join(', ')],
    ['url', facts.page],
  ];
  return fields.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [{ name, value }]));
}

/** Writes the helper files for tasks into the `.git` folder. */
export async function writeHelperFiles(
  gitDir: string,
  facts: CommitFacts,
  more: { readonly ref: string; readonly shortRef: string; readonly description: string },
): Promise<void> {
  const files: Record<string, string> = {
    ref: more.ref,
    commit: facts.sha,
    short_ref: more.shortRef,
    branch: facts.branch ?? '',
    tags: facts.tags.join('\n'),
    author: facts.author,
    author_date: facts.authorDate,
    committer: facts.committerEmail,
    committer_name: facts.committer,
    committer_date: facts.committerDate,
    commit_message: facts.message,
    commit_timestamp: facts.committerDate,
    describe_ref: more.description,
    url: facts.page ?? '',
    'metadata.json': JSON.stringify(metadataOf(facts)),
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(gitDir, name), `${text}\n`)));
}
