import { randomUUID } from 'node:crypto';
import type { CheckContext } from '../../src/resources/contract.js';
import { RemoteBranch, type GitAccess } from '../git/shared.js';
import type { NumberStore } from './number-store.js';
import type { SemverSource } from './schema.js';

const STEP = 'Weir-Step';

/** A number in a file of a git branch; a push that would lose somebody's commit is refused by git, which is the swap. */
export function openGit<T>(
  context: CheckContext,
  source: SemverSource,
  work: (store: NumberStore) => Promise<T>,
): Promise<T> {
  const file = source.file ?? '';
  const access = { ...source, git_config: settingsOf(source) } as GitAccess;
  return RemoteBranch.use(context, access, { depth: 1 }, (branch) => {
    const readAt = async (tip: string) => (await branch.read(tip, file))?.trim() || undefined;
    return work({
      read: async () => readAt(await branch.fetch()),
      change: async ({ next, stepId }) => {
        for (let attempt = 1; ; attempt++) {
          const tip = await branch.fetch();
          const current = await readAt(tip);
          const last = await branch.run('log', '-1', `--format=%(trailers:key=${STEP},valueonly)`, tip);
          if (stepId !== undefined && last.trim() === stepId && current !== undefined) return current;
          const number = next(current);
          if (number === current) return number;
          const message = messageOf(source, number, stepId);
          const commit = await branch.commit(tip, new Map([[file, `${number}\n`]]), message);
          if (await branch.push(commit, tip, context.signal)) return number;
          context.log(`${source.branch} has moved; attempt ${attempt + 1}\n`);
        }
      },
    });
  });
}

/** Names the step, so that no two bumps of one second make the same commit: both would count as pushed. */
function messageOf(source: SemverSource, number: string, stepId: string = randomUUID()): string {
  const message = (source.commit_message ?? 'bump to %version%')
    .replaceAll('%version%', () => number)
    .replaceAll('%file%', () => source.file ?? '');
  return `${message}\n\n${STEP}: ${stepId}`;
}

function settingsOf(source: SemverSource): GitAccess['git_config'] {
  if (source.git_user === undefined) return source.git_config;
  const [, name, address] = /^(?:(.+?)\s*<)?([^<>\s]+)>?$/.exec(source.git_user) ?? [];
  const email = address ?? source.git_user;
  return [
    ...(source.git_config ?? []),
    { name: 'user.name', value: name ?? email },
    { name: 'user.email', value: email },
  ];
}
