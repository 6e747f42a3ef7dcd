import { Command } from 'commander';
import { stringify } from 'yaml';
import type { PipelineConfig } from '../../model/index.js';
import { diffPipelines, diffText, formatProblem, parsePipeline, type Parsed } from '../../pipelines/config/index.js';
import { confirm, type Cli } from '../cli.js';
import { Refused, type ApiClient } from '../client.js';
import { CliError } from '../io.js';
import { readText, readVars, withVarOptions, type VarOptions } from '../vars.js';

interface FileOptions extends VarOptions {
  readonly config: string;
}

/** `set-pipeline`, `get-pipeline`, `validate-pipeline`. */
export function configCommands(cli: Cli): Command[] {
  const set = withFileOptions(new Command('set-pipeline').alias('sp'))
    .description('create or change a pipeline; shows what would change and asks')
    .requiredOption('-p, --pipeline <name>', 'the pipeline')
    .option('-n, --non-interactive', 'do not ask')
    .option('--dry-run', 'show what would change, and stop')
    .action(
      async (
        options: FileOptions & { pipeline: string; nonInteractive?: boolean; dryRun?: boolean },
        command: Command,
      ) => {
        const config = await readConfig(cli, options);
        await setPipeline(cli, await cli.connect(command), config, options);
      },
    );
  const get = new Command('get-pipeline')
    .alias('gp')
    .description("print a pipeline's config as YAML")
    .requiredOption('-p, --pipeline <name>', 'the pipeline')
    .option('-j, --json', 'as JSON')
    .action(async ({ pipeline, json }: { pipeline: string; json?: boolean }, command: Command) => {
      const client = await cli.connect(command);
      const { config } = await client.get<{ config: PipelineConfig }>(`${client.pipeline(pipeline)}/config`);
      cli.io.out(json ? `${JSON.stringify(config, null, 2)}\n` : stringify(config));
    });
  const validate = withFileOptions(new Command('validate-pipeline').alias('vp'))
    .description('check a pipeline file without a server')
    .option('--strict', 'warnings are errors')
    .action(async (options: FileOptions & { strict?: boolean }) => {
      const { warnings } = await parseFile(cli, options);
      if (options.strict && warnings.length > 0) throw new CliError('there are warnings');
      cli.io.out('looks good\n');
    });
  return [set, get, validate];
}

function withFileOptions(command: Command): Command {
  return withVarOptions(command.requiredOption('-c, --config <file>', 'the pipeline file; - is standard input'));
}

async function setPipeline(
  cli: Cli,
  client: ApiClient,
  config: PipelineConfig,
  {
    pipeline,
    nonInteractive,
    dryRun,
  }: { readonly pipeline: string; readonly nonInteractive?: boolean; readonly dryRun?: boolean },
): Promise<void> {
  const path = `${client.pipeline(pipeline)}/config`;
  const stored = await storedConfig(client, path);
  const changes = diffPipelines(stored?.config, config);
  if (changes.length === 0) {
    cli.io.out('no changes to apply\n');
    return;
  }
  cli.io.out(diffText(cli.paint, changes));
  if (dryRun) return;
  if (!nonInteractive && !(await confirm(cli, 'apply?'))) throw new CliError('nothing was changed');
  const answer = await client.call('PUT', path, {
    body: JSON.stringify(config),
    contentType: 'application/json',
    // Refused when somebody else has changed the pipeline since the diff was shown.
    headers: { 'x-concourse-config-version': stored?.version ?? '' },
  });
  const { warnings = [] } = (await answer.json()) as { warnings?: readonly { readonly message: string }[] };
  for (const { message } of warnings) cli.io.err(`${cli.paint('yellow', 'warning')}: ${message}\n`);
  const isNew = answer.status === 201;
  cli.io.out(
    `pipeline ${pipeline} ${isNew ? 'created; it is paused: `weir unpause-pipeline -p ' + pipeline + '` lets it run' : 'updated'}\n`,
  );
}

async function storedConfig(
  client: ApiClient,
  path: string,
): Promise<{ config: PipelineConfig; version: string } | undefined> {
  try {
    const answer = await client.call('GET', path);
    const { config } = (await answer.json()) as { config: PipelineConfig };
    return { config, version: answer.headers.get('x-concourse-config-version') ?? '' };
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  }
}

async function readConfig(cli: Cli, options: FileOptions): Promise<PipelineConfig> {
  return (await parseFile(cli, options)).config;
}

/** Prints warnings. @throws CliError with every problem, a line each. */
async function parseFile(
  cli: Cli,
  options: FileOptions,
): Promise<{ config: PipelineConfig; warnings: Parsed<PipelineConfig>['warnings'] }> {
  const isInput = options.config === '-';
  const text = isInput ? await cli.io.readAll() : await readText(options.config);
  const file = isInput ? 'standard input' : options.config;
  const { config, problems, warnings } = parsePipeline(text, { file, vars: await readVars(options) });
  for (const warning of warnings) cli.io.err(`${cli.paint('yellow', 'warning')}: ${formatProblem(warning)}\n`);
  if (!config) throw new CliError(problems.map(formatProblem).join('\n'));
  return { config, warnings };
}
