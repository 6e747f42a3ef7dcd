import { Argument, Command } from 'commander';
import { place, show, type Cli, type Place } from '../cli.js';
import { route } from '../client.js';
import { valueText, version } from '../format.js';
import type { Paint } from '../io.js';
import type { WireBuild, WireBuildExplanation, WireJobExplanation, WireText } from '../wire.js';

interface ExplainOptions {
  readonly build?: string;
}

/** `weir explain`: why a job runs or does not, and why a build ran with its versions. */
export function explainCommand(cli: Cli): Command {
  return new Command('explain')
    .description('say why a job runs or does not: what blocks it, which versions it may use, and what would help')
    .addArgument(new Argument('<pipeline/job>', 'the job').argParser(place))
    .option('-b, --build <name>', 'say why this build ran with its versions, or waits')
    .action(async (job: Place, { build }: ExplainOptions, command: Command) => {
      const client = await cli.connect(command);
      if (build === undefined) {
        const told = await client.get<WireJobExplanation>(
          client.pipeline(job.pipeline, route`/jobs/${job.name}/explain`),
        );
        return show(cli, told, () => jobTree(cli.paint, job, told));
      }
      const { id } = await client.get<WireBuild>(
        client.pipeline(job.pipeline, route`/jobs/${job.name}/builds/${build}`),
      );
      const told = await client.get<WireBuildExplanation>(route`/api/v1/builds/${id}/explain`);
      show(cli, told, () => buildTree(cli.paint, job, told));
    });
}

/** A line with what belongs to it. */
interface Branch {
  readonly line: string;
  readonly under?: readonly Branch[];
}

function jobTree(paint: Paint, { pipeline, name }: Place, told: WireJobExplanation): string {
  const title = `${paint('bold', `${pipeline}/${name}`)}: ${paint(told.runs ? 'green' : 'yellow', told.summary)}`;
  const waiting = told.builds.map(({ name: build, blockers }) => ({
    line: build === null ? 'a new build' : `build #${build}`,
    under: blockers.length > 0 ? texts(blockers) : [{ line: 'is being aborted' }],
  }));
  return tree({
    line: title,
    under: [...waiting, ...told.inputs.map((input) => inputBranch(paint, input)), ...fixes(paint, told.fixes)],
  });
}

function inputBranch(paint: Paint, input: WireJobExplanation['inputs'][number]): Branch {
  const facts = [
    ...(input.resource === input.name ? [] : [`resource ${input.resource}`]),
    ...(input.trigger ? ['triggers'] : []),
    ...(input.passed.length > 0 ? [`passed ${input.passed.join(', ')}`] : []),
  ];
  const line = `input ${input.name}${facts.length > 0 ? ` (${facts.join('; ')})` : ''}`;
  return {
    line: input.error === undefined ? line : `${line}: ${paint('red', input.error)}`,
    under: [
      ...(input.check.state === 'succeeded' ? [] : [{ line: paint('yellow', input.check.text) }]),
      ...input.candidates.map((each) => ({
        line: `${version(each.version)}  ${paint(each.verdict.kind === 'chosen' ? 'green' : 'gray', each.text)}`,
      })),
      ...(input.more > 0 ? [{ line: `and ${input.more} more` }] : []),
    ],
  };
}

function buildTree(paint: Paint, { pipeline, name }: Place, told: WireBuildExplanation): string {
  const vars = Object.entries(told.build.vars ?? {}).map(([key, value]) => ({
    line: `var ${key}: ${valueText(value)}`,
  }));
  const inputs = told.inputs.map((input) => ({
    line: `input ${input.name}${input.resource === input.name ? '' : ` (resource ${input.resource})`}: ${input.text}`,
  }));
  const title = `${paint('bold', `${pipeline}/${name}`)}: ${told.summary}`;
  return tree({ line: title, under: [...vars, ...inputs, ...fixes(paint, told.fixes)] });
}

function fixes(paint: Paint, list: readonly WireText[]): Branch[] {
  if (list.length === 0) return [];
  const title = list.length === 1 ? 'what would help' : 'what would help, each by itself';
  return [{ line: paint('bold', title), under: texts(list) }];
}

function texts(list: readonly WireText[]): Branch[] {
  return list.map(({ text }) => ({ line: text }));
}

function tree(root: Branch): string {
  return `${[root.line, ...twigs(root.under ?? [], '')].join('\n')}\n`;
}

function twigs(branches: readonly Branch[], indent: string): string[] {
  return branches.flatMap(({ line, under }, i) => {
    const isLast = i === branches.length - 1;
    const [first = '', ...rest] = line.split('\n');
    const inner = `${indent}${isLast ? '   ' : '│  '}`;
    return [
      `${indent}${isLast ? '└─ ' : '├─ '}${first}`,
      ...rest.map((more) => inner + more),
      ...twigs(under ?? [], inner),
    ];
  });
}
