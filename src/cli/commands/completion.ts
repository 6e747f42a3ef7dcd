import { Argument, Command, Option } from 'commander';
import type { Cli } from '../cli.js';
import type { ApiClient } from '../client.js';
import { complete, completionScript, SHELLS, type NameKind, type Shell } from '../completion.js';
import { CliError } from '../io.js';
import { writtenRef } from '../pipeline-ref.js';
import { readTargets } from '../targets.js';
import type { WireJob, WirePipeline } from '../wire.js';

/** Nobody waits longer for a Tab. */
const PATIENCE_MS = 2_000;

/** `completion`, and `__complete`, which its scripts ask. */
export function completionCommands(cli: Cli): Command[] {
  const script = new Command('completion')
    .description('print a script that completes commands, options and names: `source <(weir completion bash)`')
    .addArgument(new Argument('[shell]', 'the shell').choices(SHELLS))
    .addOption(new Option('--shell <shell>', 'the same, as fly writes it').choices(SHELLS))
    .action((argument: Shell | undefined, { shell = argument }: { shell?: Shell }) => {
      if (shell === undefined) throw new CliError(`for which shell? ${SHELLS.join(', ')}`);
      cli.io.out(completionScript(shell));
    });
  const answer = new Command('__complete')
    .argument('[words...]')
    .allowUnknownOption()
    .action(async (words: string[], _options: unknown, command: Command) => {
      const root = command.parent;
      if (!root) return;
      // The words hold the target that they are about.
      const found = await complete(root, words, (kind) => namesOf(cli, choiceOf(words), kind));
      for (const word of found ?? []) cli.io.out(`${word}\n`);
    });
  return [script, answer];
}

function choiceOf(words: readonly string[]): { target?: string; team?: string } {
  const after = (...flags: string[]): string | undefined => {
    const i = words.findIndex((word) => flags.includes(word));
    return i >= 0 && i < words.length - 2 ? words[i + 1] : undefined;
  };
  const [target, team] = [after('-t', '--target'), after('--team')];
  return { ...(target === undefined ? {} : { target }), ...(team === undefined ? {} : { team }) };
}

/** Empty when the server cannot be asked: completion never complains. */
async function namesOf(
  cli: Cli,
  choice: { readonly target?: string; readonly team?: string },
  kind: NameKind,
): Promise<readonly string[]> {
  try {
    if (kind === 'target') return Object.keys((await readTargets(cli.io)).targets);
    const client = await cli.connectTo(choice);
    const list = async <Item>(path: string): Promise<Item[]> => {
      const answer = await client.call('GET', path, { signal: AbortSignal.timeout(PATIENCE_MS) });
      return (await answer.json()) as Item[];
    };
    return await listNames(client, list, kind);
  } catch {
    return [];
  }
}

async function listNames(
  { teamPath, team }: ApiClient,
  list: <Item>(path: string) => Promise<Item[]>,
  kind: 'pipeline' | 'job' | 'resource' | 'team',
): Promise<readonly string[]> {
  if (kind === 'team') return (await list<{ name: string }>('/api/v1/teams')).map(({ name }) => name);
  if (kind === 'pipeline')
    return (await list<WirePipeline>(`${teamPath}/pipelines`)).map((p) => writtenRef(p.name, p.instance_vars));
  const all = await list<Pick<WireJob, 'name' | 'team_name' | 'pipeline_name' | 'pipeline_instance_vars'>>(
    `/api/v1/${kind}s`,
  );
  return all
    .filter((each) => each.team_name === team)
    .map((each) => `${writtenRef(each.pipeline_name, each.pipeline_instance_vars)}/${each.name}`);
}
