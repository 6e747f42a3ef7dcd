import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { simpleGit } from 'simple-git';

/** The two repositories of the example: what is built, and where it is deployed to. */
export interface ExampleRepositories {
  readonly app: string;
  readonly production: string;
}

const BRANCH = 'main';

/**
 * Makes the example's git repositories below `dir`, complete or not at all: `app` with a pipeline, its tasks and a text to
 * deploy; `production`, whose folder follows what is pushed to it.
 */
export async function createExampleRepositories(dir: string): Promise<ExampleRepositories> {
  const unfinished = `${dir}.new`;
  await rm(unfinished, { recursive: true, force: true });
  const repositories = { app: path.join(dir, 'app'), production: path.join(dir, 'production') };
  await createRepository(path.join(unfinished, 'app'), 'the example application', {
    'message.txt': 'Hello from Weir\n',
    'pipeline.yml': pipeline(repositories),
    'ci/test.yml': TEST_TASK,
    'ci/release.yml': RELEASE_TASK,
  });
  await createRepository(path.join(unfinished, 'production'), 'nothing deployed yet', {
    'README.md': 'What job `deploy` puts here is in production.\n',
  });
  await rm(dir, { recursive: true, force: true });
  await rename(unfinished, dir);
  return repositories;
}

async function createRepository(dir: string, message: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(dir, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const git = simpleGit(dir);
  await git.init();
  await git.raw('symbolic-ref', 'HEAD', `refs/heads/${BRANCH}`); // `init -b` needs git 2.28
  await git.addConfig('user.name', 'Weir example');
  await git.addConfig('user.email', 'example@localhost');
  await git.addConfig('commit.gpgsign', 'false');
  await git.addConfig('receive.denyCurrentBranch', 'updateInstead');
  await git.add('.');
  await git.commit(message);
}

const pipeline = ({
  app,
  production,
}: ExampleRepositories): string => `# Weir reads this file from git: commit a change, and the pipeline changes.
resources:
  - name: app
    type: git
    check_every: 2s
    source:
      uri: ${JSON.stringify(app)}
      branch: ${BRANCH}

  - name: production
    type: git
    check_every: 2s
    source:
      uri: ${JSON.stringify(production)}
      branch: ${BRANCH}

jobs:
  - name: test
    plan:
      - get: app
        trigger: true # every new commit starts a build
      - task: unit
        file: app/ci/test.yml

  - name: deploy
    serial: true
    plan:
      - in_parallel:
          - get: app
            trigger: true
            passed: [test] # only commits that job test was happy with
          - get: production
      - task: release
        file: app/ci/release.yml
      - put: production
        params:
          repository: release
          rebase: true
`;

const TEST_TASK = `platform: linux
inputs:
  - name: app
run:
  path: sh
  args:
    - -ec
    - |
      echo "testing: $(cat app/message.txt)"
      test -s app/message.txt
      echo "the message is not empty: good"
`;

const RELEASE_TASK = `platform: linux
inputs:
  - name: app
  - name: production
outputs:
  - name: release
run:
  path: sh
  args:
    - -ec
    - |
      cp -R production/. release/
      cp app/message.txt release/message.txt
      commit=$(git -C app rev-parse --short HEAD)
      cd release
      git add message.txt
      git -c user.name=Weir -c user.email=weir@localhost commit --allow-empty -m "deploy $commit"
`;
