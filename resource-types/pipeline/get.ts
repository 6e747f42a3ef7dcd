import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildVersion, FetchResult, MetadataField, StepContext, Version } from '../../src/resources/contract.js';
import { doorOf, jobOf } from './job.js';
import type { PipelineSource } from './schema.js';

/** Writes what is known about the build: `build.json`, a file per fact, and a file per version that it got and made. */
export async function getPipeline(
  context: StepContext,
  request: { readonly source: PipelineSource; readonly version: Version; readonly dir: string },
): Promise<FetchResult> {
  const { source, version, dir } = request;
  const facts = await doorOf(context).buildFacts(jobOf(source), version);
  const texts: Record<string, string> = {
    id: String(facts.id),
    name: facts.name,
    status: facts.status,
    team: facts.team,
    pipeline: facts.pipeline,
    job: facts.job,
    url: facts.url,
    started_at: facts.startedAt?.toISOString() ?? '',
    ended_at: facts.endedAt.toISOString(),
    created_by: facts.createdBy ?? '',
  };
  const whole = { ...texts, id: facts.id, instance_vars: facts.instanceVars ?? null };
  await writeJson(join(dir, 'build.json'), { ...whole, inputs: facts.inputs, outputs: facts.outputs });
  for (const [name, text] of Object.entries(texts)) await writeFile(join(dir, name), text);
  await writeVersions(join(dir, 'inputs'), facts.inputs);
  await writeVersions(join(dir, 'outputs'), facts.outputs);
  const metadata: MetadataField[] = [
    { name: 'build', value: `${facts.pipeline}/${facts.job} #${facts.name}` },
    { name: 'status', value: facts.status },
    { name: 'url', value: facts.url },
  ];
  return { version, metadata };
}

/** `NAME.json` with the version of each; of several of one name the last counts. */
async function writeVersions(dir: string, used: readonly BuildVersion[]): Promise<void> {
  await mkdir(dir);
  for (const { name, version } of used) await writeJson(join(dir, `${fileName(name)}.json`), version);
}

/** Names of steps may hold anything. */
const fileName = (name: string): string => name.replaceAll(/[/\\\p{Cc}]/gu, '_').replace(/^\.+/, '_');

const writeJson = (file: string, value: unknown): Promise<void> =>
  writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
