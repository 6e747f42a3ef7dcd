import {
  parseMemoryBytes,
  type ContainerLimits,
  type JsonObject,
  type TaskConfig,
  type TaskPlan,
} from '../model/index.js';
import {
  formatProblem,
  interpolate,
  lookupIn,
  parseTaskConfig,
  varsIn,
  type VarReference,
} from '../pipelines/index.js';
import type { Settings } from '../platform/index.js';
import type { StepLimits } from '../runtime/index.js';
import { readArtifactFile } from './artifact-path.js';
import type { Walk } from './build-run.js';
import { fillVars } from './fill-vars.js';

/** A task's config with everything filled in. */
export interface ReadyTask {
  readonly config: TaskConfig;
  readonly env: Readonly<Record<string, string>>;
  /** Without a `run.path` only the arguments: the image's own command comes before them. */
  readonly argv: readonly string[];
  /** Credentials that it names and the plan does not, as {@link VarReference.text}. */
  readonly vars: readonly string[];
  /** What events show of it. */
  readonly shown: {
    readonly platform?: string;
    readonly run: { readonly path: string; readonly args?: readonly string[]; readonly dir?: string };
    readonly inputs?: readonly { readonly name: string; readonly path?: string }[];
  };
}

/**
 * Makes the config in the order of the language: inline or file; for files the step's vars; the step's params over the
 * task's; then every var that is left, all of which must be known; then validation.
 */
export async function readyTask(plan: TaskPlan, walk: Walk): Promise<ReadyTask> {
  const written = plan.config ?? (await fromFile(plan, walk));
  const merged: TaskConfig = {
    ...written,
    params: { ...written.params, ...plan.params },
    container_limits: withDefaults(plan.limits ?? written.container_limits, walk.run.parts.settings),
  };
  const config = await fillVars(merged, walk);
  if (config.platform === undefined) throw new Error(`task '${plan.name}': missing 'platform'`);
  const { path, dir } = config.run ?? {};
  const args = (config.run?.args ?? []).map((arg, place) => textOf(arg, `task '${plan.name}': run.args[${place}]`));
  return {
    config,
    vars: plan.config ? [] : namesOf(varsIn(merged)),
    env: environment(config.params ?? {}),
    argv: path ? [path, ...args] : args,
    shown: {
      platform: config.platform,
      run: { path: path ?? '', args, ...(dir === undefined ? {} : { dir }) },
      inputs: (config.inputs ?? []).map(({ name, path: at }) => ({ name, ...(at === undefined ? {} : { path: at }) })),
    },
  };
}

function namesOf(references: readonly VarReference[]): string[] {
  return references.filter(({ source }) => source !== '.').map(({ text }) => text);
}

/** A whole argument that was a var may be of any type now. @throws when it has structure. */
function textOf(arg: unknown, where: string): string {
  if (typeof arg === 'string') return arg;
  if (typeof arg === 'number' || typeof arg === 'boolean') return String(arg);
  throw new Error(`${where} must be text, not a list, a map or null`);
}

async function fromFile(plan: TaskPlan, walk: Walk): Promise<TaskConfig> {
  const { file, vars } = await fillVars({ file: plan.file ?? '', vars: plan.vars }, walk);
  const text = await readArtifactFile(file, walk);
  const asWritten = parseTaskConfig(text, { file });
  if (asWritten.config) return interpolate(asWritten.config, lookupIn(vars ?? {}), { mode: 'template' }).value;
  // A var of the step may stand for a part with structure, such as the source of the image.
  const { config, problems } = vars === undefined ? asWritten : parseTaskConfig(text, { file, vars });
  if (!config) throw new Error(`invalid task file:\n${problems.map(formatProblem).join('\n')}`);
  return config;
}

/** Params as a process gets them: text as it is, everything else as JSON; null is empty. */
function environment(params: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      if (value === null) return [name, ''];
      return [name, typeof value === 'string' ? value : JSON.stringify(value)];
    }),
  );
}

/** The operator's limit counts for each of the two that is not set. */
function withDefaults(
  { cpu, memory }: ContainerLimits = {},
  { defaultTaskCpuLimit, defaultTaskMemoryLimit }: Settings,
): ContainerLimits | undefined {
  const limits = { cpu: cpu ?? defaultTaskCpuLimit, memory: memory ?? defaultTaskMemoryLimit };
  return limits.cpu === undefined && limits.memory === undefined ? undefined : limits;
}

/** Limits as the language writes them (`512MB`, a weight of the processor) as a runtime takes them. 0 is no limit. */
export function limitsOf({ cpu, memory }: ContainerLimits): StepLimits {
  const memoryBytes = bytesOf(memory);
  const cpuShares = Number(cpu ?? 0);
  return { ...(memoryBytes > 0 ? { memoryBytes } : {}), ...(cpuShares > 0 ? { cpuShares } : {}) };
}

function bytesOf(memory: number | string | undefined): number {
  const bytes = parseMemoryBytes(String(memory ?? 0));
  if (bytes === undefined) throw new Error(`invalid memory size '${memory}': write it like 512MB or 1GB`);
  return bytes;
}
