import { Command } from 'commander';
import { show, type Cli } from '../cli.js';
import { duration, table } from '../format.js';
import type { Paint } from '../io.js';
import type { WireRuntime } from '../wire.js';

/** `workers`: where steps run, how full it is and who waits. */
export function workersCommand(cli: Cli): Command {
  return new Command('workers')
    .alias('runtimes')
    .alias('ws')
    .description('list the runtimes that run steps, their load and who waits for a slot')
    .option('-d, --details', 'what each can do, what runs there, and the queue')
    .action(async ({ details }: { details?: boolean }, command: Command) => {
      const client = await cli.connect(command);
      const all = await client.get<WireRuntime[]>('/api/v1/runtimes');
      show(cli, all, () => (details ? all.map((each) => detailsOf(cli, each)).join('\n') : list(cli.paint, all)));
    });
}

function list(paint: Paint, all: readonly WireRuntime[]): string {
  return table(
    paint,
    ['name', 'state', 'slots taken', 'waiting', 'platforms', 'tags', 'isolation'],
    all.map((each) => [
      each.name,
      state(paint, each),
      `${each.running.length}/${each.slots}`,
      String(each.queue.length),
      each.capabilities.platforms?.join(', ') ?? 'n/a',
      each.tags.join(', '),
      each.capabilities.isolation ?? 'n/a',
    ]),
  );
}

function detailsOf({ paint, io }: Cli, each: WireRuntime): string {
  const now = io.now().getTime() / 1000;
  const use = ({ build, step_id: step, since }: WireRuntime['running'][number]): string =>
    `${build === undefined ? 'a build of another team' : `${build}, step ${step}`}, for ${duration(now - since)}`;
  return [
    `${paint('bold', each.name)}  ${state(paint, each)}`,
    `  ${each.capabilities.description ?? 'it has not said what it can'}`,
    `  tags: ${each.tags.join(', ')}${each.takes_untagged_steps ? '; takes steps without tags' : '; only steps with tags'}`,
    `  ${each.running.length} of ${each.slots} slots taken`,
    ...each.running.map((one) => `    ${use(one)}`),
    ...(each.queue.length > 0 ? [`  ${each.queue.length} waiting`] : []),
    ...each.queue.map((one) => `    ${one.position}. ${use(one)}`),
    '',
  ].join('\n');
}

function state(paint: Paint, { state: word, reason }: WireRuntime): string {
  return word === 'running' ? paint('green', word) : paint('red', `${word}: ${reason ?? ''}`);
}
