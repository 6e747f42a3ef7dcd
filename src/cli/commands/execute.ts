import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline as pipe, Readable, Transform } from 'node:stream';
import { Command } from 'commander';
import type { TaskConfig } from '../../model/index.js';
import { formatProblem, parseTaskConfig } from '../../pipelines/config/index.js';
import { unpackTar } from '../../platform/unpack-tar.js';
import { another, place, type Cli, type Place } from '../cli.js';
import { route, type ApiClient } from '../client.js';
import { chooseInputs, demandName, executePlan, type WireJobInput } from '../execute-plan.js';
import { CliError } from '../io.js';
import { packFolder } from '../pack.js';
import { namedValue, readText, readVars, withVarOptions, type VarOptions } from '../vars.js';
import type { WireBuild } from '../wire.js';
import { sayBegun, watchBuild } from './watch.js';

interface ExecuteOptions extends VarOptions {
  readonly config: string;
  readonly input?: readonly string[];
  readonly inputMapping?: readonly string[];
  readonly output?: readonly string[];
  readonly inputsFrom?: Place;
  readonly image?: string;
  readonly privileged?: boolean;
  readonly includeIgnored?: boolean;
  readonly tag?: readonly string[];
}

interface WireArtifact {
  readonly id: number;
  readonly name: string;
}

/** No folder of this machine is larger. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** `weir execute`: a task with folders of this machine. */
export function executeCommand(cli: Cli): Command {
  const command = new Command('execute')
    .alias('e')
    .description('run a task with folders of this machine, and show its output; exits as the task does')
    .requiredOption('-c, --config <file>', 'the task file; - is standard input')
    .option('-i, --input <name=path>', 'an input from a folder; may be given again', another)
    .option('-m, --input-mapping <name=job-input>', "with -j: an input from the job's input of another name", another)
    .option('-o, --output <name=path>', 'fetch an output into a folder; may be given again', another)
    .option('-j, --inputs-from <pipeline/job>', 'take the other inputs as the job would get them', place)
    .option('--image <input>', 'an input whose files are the image of the task')
    .option('-p, --privileged', 'run the task with all rights of the container')
    .option('--include-ignored', 'send all files of a folder, also those that git ignores')
    .option('--tag <tag>', 'a runtime with this tag; may be given again', another)
    .argument('[args...]', 'more arguments for the command of the task, after --');
  return withVarOptions(command).action(async (args: string[], options: ExecuteOptions, self: Command) => {
    cli.exitCode = await execute(cli, await cli.connect(self), args, options);
  });
}

async function execute(cli: Cli, client: ApiClient, args: readonly string[], options: ExecuteOptions): Promise<number> {
  const config = withEnvironment(await readTask(cli, args, options), cli.io.env);
  const outputs = pairs(options.output);
  for (const name of outputs.keys())
    demandName(
      name,
      (config.outputs ?? []).map((output) => output.name),
      'output',
    );
  for (const dir of outputs.values()) await demandEmpty(dir);
  const job = options.inputsFrom && (await inputsOfJob(client, options.inputsFrom));
  const { local, ofJob } = chooseInputs(config, pairs(options.input), job, pairs(options.inputMapping));
  const uploads = await uploadAll(cli, client, local, options.includeIgnored === true);
  const plan = executePlan({
    config,
    uploads,
    ofJob,
    outputs: [...outputs.keys()],
    isPrivileged: options.privileged === true,
    tags: options.tag ?? [],
    ...(options.image === undefined ? {} : { image: options.image }),
  });
  const owner = options.inputsFrom
    ? client.pipeline(options.inputsFrom.pipeline, '/builds')
    : `${client.teamPath}/builds`;
  const build = await client.send<WireBuild>('POST', owner, plan);
  sayBegun(cli, `executing build ${build.id} at ${client.url}/builds/${build.id}`, build);
  const exitCode = await watchOrAbort(cli, client, build.id);
  await fetchAll(client, build.id, outputs);
  return exitCode;
}

async function readTask(cli: Cli, args: readonly string[], options: ExecuteOptions): Promise<TaskConfig> {
  const isInput = options.config === '-';
  const text = isInput ? await cli.io.readAll() : await readText(options.config);
  const file = isInput ? 'standard input' : options.config;
  const { config, problems } = parseTaskConfig(text, { file, vars: await readVars(options) });
  if (!config) throw new CliError(problems.map(formatProblem).join('\n'));
  if (args.length === 0 || !config.run) return config;
  return { ...config, run: { ...config.run, args: [...(config.run.args ?? []), ...args] } };
}

/** A param that is also a variable of the environment has its value. */
function withEnvironment(config: TaskConfig, env: Readonly<Record<string, string | undefined>>): TaskConfig {
  const given = Object.keys(config.params ?? {}).flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return given.length === 0 ? config : { ...config, params: { ...config.params, ...Object.fromEntries(given) } };
}

function pairs(texts: readonly string[] | undefined): Map<string, string> {
  return new Map((texts ?? []).map(namedValue));
}

/** Files of a task never mix with what is there. */
async function demandEmpty(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new CliError(`cannot put an output into ${dir}: ${error.message}`);
  });
  if (names.length > 0) throw new CliError(`${dir} is not empty: give the output a new folder`);
}

async function inputsOfJob(client: ApiClient, { pipeline, name }: Place): Promise<WireJobInput[]> {
  return client.get(client.pipeline(pipeline, route`/jobs/${name}/inputs`));
}

async function uploadAll(
  cli: Cli,
  client: ApiClient,
  folders: ReadonlyMap<string, string>,
  isWhole: boolean,
): Promise<Map<string, number>> {
  const ids = [...folders].map(async ([name, dir]): Promise<[string, number]> => {
    await readdir(dir).catch((error: Error) => {
      throw new CliError(`cannot read the folder of input '${name}': ${error.message}`);
    });
    const archive = pipe(await packFolder(path.resolve(dir), isWhole), progress(cli, name), () => undefined);
    const body = Readable.toWeb(archive) as unknown as ReadableStream<Uint8Array>;
    const answer = await client.call('POST', `${client.teamPath}/artifacts?platform=${process.platform}`, {
      body,
      contentType: 'application/octet-stream',
    });
    return [name, ((await answer.json()) as WireArtifact).id];
  });
  return new Map(await Promise.all(ids));
}

/** Shows a person how much was sent, each MiB. */
function progress({ io }: Cli, name: string): Transform {
  let sent = 0;
  const mib = (): number => sent / 2 ** 20;
  const show = (end: string): void => {
    if (io.isInteractive) io.err(`\ruploading ${name}: ${mib().toFixed(1)} MiB${end}`);
  };
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const before = Math.floor(mib());
      sent += chunk.length;
      if (mib() >= before + 1) show('');
      done(null, chunk);
    },
    flush: (done) => {
      show('\n');
      done();
    },
  });
}

/** The first Ctrl-C aborts the build, whose end is then awaited; a second one leaves it alone. */
async function watchOrAbort(cli: Cli, client: ApiClient, build: number): Promise<number> {
  try {
    return await watchBuild(cli, client, build);
  } catch (error) {
    if (!cli.io.signal.aborted) throw error;
    cli.io.err('\naborting the build; press Ctrl-C again to leave it\n');
    await client.send('PUT', route`/api/v1/builds/${build}/abort`);
    const patient = { ...cli, io: { ...cli.io, signal: new AbortController().signal } };
    return await watchBuild(patient, client, build);
  }
}

async function fetchAll(client: ApiClient, build: number, outputs: ReadonlyMap<string, string>): Promise<void> {
  if (outputs.size === 0) return;
  const made = await client.get<WireArtifact[]>(route`/api/v1/builds/${build}/artifacts`);
  for (const [name, dir] of outputs) {
    const found = made.find((artifact) => artifact.name === name);
    if (!found) throw new CliError(`the build left no output '${name}'`);
    const { body } = await client.call('GET', client.teamPath + route`/artifacts/${found.id}`);
    if (!body) throw new CliError(`the server sent nothing for output '${name}'`);
    await mkdir(dir, { recursive: true });
    await unpackTar(Readable.fromWeb(body), dir, { maxBytes: NO_LIMIT });
  }
}
