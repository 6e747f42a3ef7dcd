import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { complete, completionScript, SHELLS, type NameKind } from './completion.js';
import { painter, type Io } from './io.js';
import { program } from './run.js';

const weir = program({
  io: { hasColours: false } as Io,
  paint: painter({ hasColours: false }),
  exitCode: 0,
  isJson: false,
  connect: () => Promise.reject(new Error('there is no server here')),
  connectTo: () => Promise.reject(new Error('there is no server here')),
});
const NAMES: Readonly<Record<NameKind, readonly string[]>> = {
  pipeline: ['app', 'app/branch:main', 'base'],
  job: ['app/unit', 'app/ship', 'base/all'],
  resource: ['app/repo'],
  target: ['ci', 'lab'],
  team: ['main', 'other'],
};
const asked = async (kind: NameKind): Promise<readonly string[]> => NAMES[kind];

describe('completion', () => {
  it.each([
    ['unpause-', ['unpause-job', 'unpause-pipeline', 'unpause-resource']],
    ['sources s', ['show', 'sync']],
    ['-t ', ['ci', 'lab']],
    ['-t ci trigger-j', ['trigger-job']],
    ['tj -j app/', ['app/ship', 'app/unit']],
    ['pp -p a', ['app', 'app/branch:main']],
    ['check-resource --resource ', ['app/repo']],
    ['rename-team -o m', ['main']],
    ['rename-pipeline -o b', ['base']],
    ['jobs --pipel', ['--pipeline']],
    ['explain base/', ['base/all']],
    ['completion f', ['fish']],
    ['completion --shell z', ['zsh']],
  ])('of "%s" offers %p', async (line, words) => {
    expect(await complete(weir, line.split(' '), asked)).toEqual(words);
  });

  it.each(['set-pipeline -c pip', 'execute -c ', 'jobs -p app '])(
    'of "%s" leaves the word to the shell',
    async (line) => {
      expect(await complete(weir, line.split(' '), asked)).toBeUndefined();
    },
  );

  it('asks nobody while a command is typed', async () => {
    const nobody = (): never => {
      throw new Error('asked');
    };
    expect(await complete(weir, [''], nobody)).toContain('pipelines');
  });
});

describe('the script', () => {
  for (const shell of SHELLS) {
    const isHere = present(shell);
    if (!isHere) console.warn(`SKIPPED: the syntax of the completion for ${shell}: there is no ${shell} here`);
    (isHere ? it : it.skip)(`for ${shell} is one that ${shell} understands`, () => {
      expect(() => execFileSync(shell, ['-n'], { input: completionScript(shell), stdio: 'pipe' })).not.toThrow();
    });
  }

  (present('bash') ? it : it.skip)('for bash offers what weir says, also behind a colon', () => {
    const fake = `weir() { printf '%s\\n' "app/branch:main" "app/branch:next"; }`;
    const line = 'weir pp -p app/branch:m';
    const run = `${fake}\n${completionScript('bash')}\nCOMP_LINE='${line}' COMP_POINT=${line.length}\n_weir\nprintf '%s|' "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['--norc', '-c', run], { encoding: 'utf8' })).toBe('main|next|');
  });
});

function present(shell: string): boolean {
  try {
    execFileSync(shell, ['-c', 'exit 0'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
