import { posix } from 'node:path';
import type { JsonObject, PipelineConfig } from '../../model/index.js';
import { parsePipeline, type Problem } from '../config/index.js';
import type { CommitFiles } from './read-repository.js';

export interface PipelineFile {
  readonly name: string;
  readonly path: string;
  readonly config: PipelineConfig;
}

/**
 * The pipelines that a commit's files describe: `ci/web.yml` is `web`; a `pipeline.yml` has the source's name.
 * Either all of them, by name, or every problem of every file.
 */
export function pipelinesOfCommit(
  { files }: CommitFiles,
  source: { readonly name: string; readonly vars: JsonObject },
): { readonly pipelines: readonly PipelineFile[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const byName = new Map<string, PipelineFile>();
  for (const { path, text } of files) {
    const name = nameOf(path, source.name);
    const other = byName.get(name);
    if (other !== undefined) {
      const message = `describes pipeline '${name}' too, as ${other.path} does`;
      problems.push({ path: '', message, file: path, line: 1, column: 1, hint: 'rename one of the files' });
      continue;
    }
    const parsed = parsePipeline(text, { file: path, vars: source.vars });
    problems.push(...parsed.problems);
    if (parsed.config !== undefined) byName.set(name, { name, path, config: parsed.config });
  }
  const pipelines = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { pipelines: problems.length === 0 ? pipelines : [], problems };
}

function nameOf(path: string, sourceName: string): string {
  const name = posix.basename(path).replace(/\.(?:ya?ml|json)$/i, '');
  return name === 'pipeline' ? sourceName : name;
}
