import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { createExampleRepositories, PipelinesService, SourcesService } from './pipelines/index.js';
import { JobsService } from './scheduling/index.js';

const TEAM = 'main';
const NAME = 'example';
const LOOK_MS = 250;

/**
 * Makes the example in an empty server: two git repositories in the data folder and a pipeline source that reads one of them.
 * The folder's README is written last, so that an interrupted attempt is made again and a finished one never.
 * @returns the folder, or undefined when the example was there before or the server holds other things.
 */
export async function createExample(app: INestApplicationContext, dataDir: string): Promise<string | undefined> {
  const dir = path.join(dataDir, NAME);
  const readme = path.join(dir, 'README.md');
  if (existsSync(readme)) return undefined;
  const sources = await app.get(SourcesService).listSources();
  const pipelines = await app.get(PipelinesService).listPipelines();
  if ([...sources, ...pipelines].some(({ name }) => name !== NAME)) return undefined;
  if (sources.length === 0) {
    const repositories = await createExampleRepositories(dir);
    await app
      .get(SourcesService)
      .createSource({ teamName: TEAM, name: NAME, uri: repositories.app, branch: 'main', intervalSeconds: 2 });
  }
  await writeFile(readme, README);
  return dir;
}

/** Resolves when the example's job `deploy` has succeeded, or when `signal` aborts. @returns did it succeed? */
export async function exampleIsGreen(app: INestApplicationContext, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const jobs = await app.get(JobsService).listAll();
    const deploy = jobs.find((job) => job.pipelineName === NAME && job.name === 'deploy');
    if (deploy?.finishedBuild?.status === 'succeeded') return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}

const README = `Weir's example: two git repositories.

app         holds pipeline.yml, its tasks (ci/) and message.txt.
            A commit here starts job "test"; a commit that passed starts job "deploy".
production  gets a commit from job "deploy".

Try it:

    cd app
    echo "Good morning" > message.txt
    git commit -am "say good morning"
    sleep 15; cat ../production/message.txt
`;
