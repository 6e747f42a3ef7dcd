import { Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { parseDocument, stringify } from 'yaml';
import type { JsonObject, PipelineConfig } from '../../model/index.js';
import { diffPipelines, diffText, formatProblem, parsePipeline, type Parsed } from '../../pipelines/config/index.js';
import { another, confirm, say, show, type Cli } from '../cli.js';
import { Refused, type ApiClient } from '../client.js';
import { CliError } from '../io.js';
import { pipelineRef, withField, writtenRef, type PipelineRef } from '../pipeline-ref.js';
import { namedValue, parseYaml, readText, readVars, withVarOptions, type VarOptions } from '../vars.js';

interface FileOptions extends VarOptions {
  readonly config: string;
}

/** `set-pipeline`, `get-pipeline`, `validate-pipeline`. */
export function configCommands(cli: Cli): Command[] {
  const set = withFileOptions(new Command('set-pipeline').alias('sp'))
    .description('create or change a pipeline; shows what would change and asks')
    .requiredOption('-p, --pipeline <name>', 'the pipeline')
    .option(
      '-i, --instance-var <name=yaml>',
      'sets the instance of the pipeline with this var; may be given again',
      another,
    )
    .option('-n, --non-interactive', 'do not ask')
    .option('-d, --dry-run', 'show what would change, and stop')
    .option('--check-creds', 'refuse vars that no credential manager has')
    .action(async (options: SetOptions, command: Command) => {
      const ref = refOf(options);
      const { config } = await parseFile(cli, options, ref.instanceVars);
      await setPipeline(cli, await cli.connect(command), config, {
        ...options,
        ref: writtenRef(ref.name, ref.instanceVars),
      });
    });
  const get = new Command('get-pipeline')
    .alias('gp')
    .description("print a pipeline's config as YAML")
    .requiredOption('-p, --pipeline <name>', 'the pipeline')
    .option('-j, --json', 'as JSON')
    .action(async ({ pipeline }: { pipeline: string }, command: Command) => {
      const client = await cli.connect(command);
      const { config } = await client.get<{ config: PipelineConfig }>(client.pipeline(pipeline, '/config'));
      show(cli, config, () => stringify(config));
    });
  const validate = withFileOptions(new Command('validate-pipeline').alias('vp'))
    .description('check a pipeline file without a server')
    .option('--strict', 'warnings are errors')
    .option('-o, --output', 'print the config with its vars filled in')
    .option('--enable-across-step', 'has no effect, across is always known; fly has it')
    .action(async (options: FileOptions & { strict?: boolean; output?: boolean }) => {
      const { config, warnings } = await parseFile(cli, options);
      if (options.strict && warnings.length > 0) throw new CliError('there are warnings');
      if (options.output) show(cli, config, () => stringify(config));
      else say(cli, 'looks good');
    });
  return [set, get, validate, formatCommand(cli)];
}

interface SetOptions extends FileOptions {
  readonly pipeline: string;
  readonly instanceVar?: readonly string[];
  readonly nonInteractive?: boolean;
  readonly dryRun?: boolean;
  readonly checkCreds?: boolean;
}

function formatCommand(cli: Cli): Command {
  return new Command('format-pipeline')
    .alias('fp')
    .description('print a pipeline file in one way of writing YAML; comments stay')
    .requiredOption('-c, --config <file>', 'the pipeline file; - is standard input')
    .option('-w, --write', 'change the file instead')
    .action(async ({ config: file, write }: { config: string; write?: boolean }) => {
      const text = file === '-' ? await cli.io.readAll() : await readText(file);
      const document = parseDocument(text);
      const [error] = document.errors;
      if (error) throw new CliError(`${file}: ${error.message.split('\n')[0] ?? ''}`);
      const formatted = document.toString({ lineWidth: 0 });
      if (!write || file === '-') return cli.io.out(formatted);
      if (formatted !== text) await writeFile(file, formatted);
      say(cli, formatted === text ? `${file} is formatted already` : `formatted ${file}`);
    });
}

function withFileOptions(command: Command): Command {
  return withVarOptions(command.requiredOption('-c, --config <file>', 'the pipeline file; - is standard input'));
}

async function setPipeline(
  cli: Cli,
  client: ApiClient,
  config: PipelineConfig,
  { ref: pipeline, nonInteractive, dryRun, checkCreds }: SetOptions & { readonly ref: string },
): Promise<void> {
  const path = client.pipeline(pipeline, '/config');
  const stored = await storedConfig(client, path);
  const changes = diffPipelines(stored?.config, config);
  if (changes.length === 0) {
    say(cli, 'no changes to apply');
    return;
  }
  if (!cli.isJson) cli.io.out(diffText(cli.paint, changes));
  else if (dryRun) show(cli, changes, () => '');
  if (dryRun) return;
  if (!nonInteractive && !(await confirm(cli, 'apply?'))) throw new CliError('nothing was changed');
  const checking = `${path.includes('?') ? '&' : '?'}check_creds`;
  const answer = await client.call('PUT', path + (checkCreds ? checking : ''), {
    body: JSON.stringify(config),
    contentType: 'application/json',
    // Refused when somebody else has changed the pipeline since the diff was shown.
    headers: { 'x-concourse-config-version': stored?.version ?? '' },
  });
  const { warnings = [] } = (await answer.json()) as { warnings?: readonly { readonly message: string }[] };
  for (const { message } of warnings) cli.io.err(`${cli.paint('yellow', 'warning')}: ${message}\n`);
  const isNew = answer.status === 201;
  const outcome = isNew ? `created; it is paused: \`weir unpause-pipeline -p ${pipeline}\` lets it run` : 'updated';
  say(cli, `pipeline ${pipeline} ${outcome}`);
}

/** The pipeline that `-p` and `-i` name together. */
function refOf({ pipeline, instanceVar = [] }: SetOptions): PipelineRef {
  const { name, ...rest } = pipelineRef(pipeline);
  let { instanceVars } = rest;
  for (const pair of instanceVar) {
    const [field, text] = namedValue(pair);
    instanceVars = withField(instanceVars ?? {}, field, parseYaml(text, `the value of ${field}`));
  }
  return { name, ...(instanceVars ? { instanceVars } : {}) };
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

/** Prints warnings; instance vars are template vars too. @throws CliError with every problem, a line each. */
async function parseFile(
  cli: Cli,
  options: FileOptions,
  instanceVars?: JsonObject,
): Promise<{ config: PipelineConfig; warnings: Parsed<PipelineConfig>['warnings'] }> {
  const isInput = options.config === '-';
  const text = isInput ? await cli.io.readAll() : await readText(options.config);
  const file = isInput ? 'standard input' : options.config;
  const { config, problems, warnings } = parsePipeline(text, {
    file,
    vars: { ...(await readVars(options)), ...instanceVars },
  });
  for (const warning of warnings) cli.io.err(`${cli.paint('yellow', 'warning')}: ${formatProblem(warning)}\n`);
  if (!config) throw new CliError(problems.map(formatProblem).join('\n'));
  return { config, warnings };
}
