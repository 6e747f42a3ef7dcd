import { didYouMean, type JsonObject, type TaskConfig } from '../model/index.js';
import { CliError } from './io.js';

/** A version that a job would run with. */
export interface WireJobInput {
  readonly name: string;
  readonly type: string;
  readonly source: JsonObject;
  readonly params?: JsonObject;
  readonly version: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
}

/** Where each input of the task comes from, by the input's name. */
export interface TaskInputs {
  /** Folders of this machine. */
  readonly local: ReadonlyMap<string, string>;
  readonly ofJob: ReadonlyMap<string, WireJobInput>;
}

/**
 * Gives each input of the task its source: the folders that were named, then the job's input of that name (or the one it is
 * mapped to). Without either, a task with one input gets the present folder.
 * @param mapping name of the job's input by the task's
 * @throws CliError for an input that is not the task's, and for a required one without a source.
 */
export function chooseInputs(
  { inputs = [] }: TaskConfig,
  folders: ReadonlyMap<string, string>,
  job: readonly WireJobInput[] | undefined,
  mapping: ReadonlyMap<string, string>,
): TaskInputs {
  const names = inputs.map(({ name }) => name);
  for (const name of [...folders.keys(), ...mapping.keys()]) demandName(name, names, 'input');
  const [only, ...more] = inputs;
  const usesHere = folders.size === 0 && job === undefined && only !== undefined && more.length === 0;
  const local = usesHere ? new Map([[only.name, '.']]) : folders;
  const ofJob = new Map<string, WireJobInput>();
  for (const { name, optional } of inputs) {
    if (local.has(name)) continue;
    const wanted = mapping.get(name) ?? name;
    const found = job?.find((input) => input.name === wanted);
    if (found) ofJob.set(name, found);
    else if (!optional) {
      const known = job
        ? didYouMean(
            wanted,
            job.map((input) => input.name),
          )
        : '';
      throw new CliError(`missing required input '${name}'${known}: give it a folder, -i ${name}=PATH`);
    }
  }
  return { local, ofJob };
}

/** @throws CliError naming a near name. */
export function demandName(name: string, names: readonly string[], what: 'input' | 'output'): void {
  if (!names.includes(name)) throw new CliError(`unknown ${what} '${name}'${didYouMean(name, names)}`);
}

export interface ExecuteRequest {
  readonly config: TaskConfig;
  /** Ids of uploads by the task's input. */
  readonly uploads: ReadonlyMap<string, number>;
  readonly ofJob: ReadonlyMap<string, WireJobInput>;
  readonly outputs: readonly string[];
  readonly isPrivileged: boolean;
  readonly tags: readonly string[];
  /** Input whose files are the task's image. */
  readonly image?: string;
}

/** The plan of a one-off build: fetch the inputs, run the task, and keep its outputs whatever became of it. */
export function executePlan(request: ExecuteRequest): Record<string, unknown> {
  let count = 0;
  const node = (kind: string, content: unknown): Record<string, unknown> => ({
    id: (++count).toString(16),
    [kind]: content,
  });
  const tags = request.tags.length > 0 ? { tags: request.tags } : {};
  const inputs = [
    ...[...request.uploads].map(([name, id]) => node('artifact_input', { name, artifact_id: id })),
    ...[...request.ofJob].map(([name, { name: _jobs, ...input }]) => node('get', { ...input, name })),
  ];
  const task = node('task', {
    name: 'one-off',
    privileged: request.isPrivileged,
    hermetic: false,
    config: request.config,
    ...(request.image === undefined ? {} : { image: request.image }),
    ...tags,
  });
  const run = node('do', [node('in_parallel', { steps: inputs }), task]);
  if (request.outputs.length === 0) return run;
  const outputs = request.outputs.map((name) => node('artifact_output', { name }));
  return node('ensure', { step: run, ensure: node('in_parallel', { steps: outputs }) });
}
