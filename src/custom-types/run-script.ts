import { randomUUID } from 'node:crypto';
import type { Settings } from '../platform/index.js';
import { ResourceFailure, type CheckContext } from '../resources/index.js';
import type { ArtifactRef, Runtime, StepSpec, StepState } from '../runtime/index.js';
import type { Script } from './protocol.js';

/** Label of containers that belong to no step of a build. */
export const SCRIPT_LABEL = { kind: 'script' } as const;
/** How much of what a script said is told with its failure, in characters. */
const MAX_WORDS = 2_000;

/** The image of a type and how it is run. */
export interface TypeImage {
  readonly artifact: ArtifactRef;
  readonly isPrivileged: boolean;
}

/** What a script needs besides itself. */
export type ScriptContext = Pick<CheckContext, 'signal' | 'log' | 'tags'> & {
  readonly env: Readonly<Record<string, string>>;
};

/** A script as the spec of a step, for a handle and labels of the caller's. */
export function scriptSpec(
  script: Script,
  env: Readonly<Record<string, string>>,
  image: TypeImage | undefined,
): Omit<StepSpec, 'handle' | 'labels'> {
  return {
    ...script,
    env,
    stdoutTo: 'result',
    ...(image === undefined ? {} : { image: { artifact: image.artifact } }),
    ...(image?.isPrivileged ? { privileged: true } : {}),
  };
}

/**
 * Runs a script that belongs to no build, from its start to its end; nothing of it is left. A server that dies meanwhile
 * leaves a container, which its next start removes.
 * @param keep what to take from the container before it goes.
 * @returns the script's answer.
 * @throws ResourceFailure with its last words when it ends with another status than 0.
 */
export async function runScript(
  runtime: Runtime,
  { instanceId, epoch }: Settings,
  script: Script,
  image: TypeImage,
  { signal, log, env, tags }: ScriptContext,
  keep?: (handle: string) => Promise<void>,
): Promise<Uint8Array> {
  const handle = `script-${randomUUID()}`;
  const labels = { instance: instanceId, ...SCRIPT_LABEL, epoch: String(epoch), image: image.artifact.id };
  try {
    await runtime.start({ handle, labels, ...scriptSpec(script, env, image), ...(tags ? { tags } : {}) });
    const words = new Words(log);
    for await (const { data } of runtime.logs(handle, null, signal)) words.add(data);
    demandSuccess(script, await runtime.wait(handle, signal), words);
    await keep?.(handle);
    return await runtime.result(handle);
  } finally {
    await runtime.signal(handle, 'KILL');
    await runtime.remove(handle);
  }
}

/** What a script says beside its answer: all of it goes on, and the last of it is remembered. */
export class Words {
  last = '';
  private readonly decoder = new TextDecoder();

  constructor(private readonly log: (text: string) => void) {}

  add(data: Uint8Array): void {
    const text = this.decoder.decode(data, { stream: true });
    this.last = (this.last + text).slice(-MAX_WORDS);
    this.log(text);
  }
}

/** @throws ResourceFailure with its last words for another status than 0; Error when it has none. */
export function demandSuccess(script: Script, state: StepState, words: Words): void {
  if (state.phase !== 'exited' || !state.exit || state.reason !== undefined)
    throw new Error(`${script.argv[0]} did not run to its end: ${state.reason ?? `its container is ${state.phase}`}`);
  const { code } = state.exit;
  if (code !== 0) throw new ResourceFailure(failureText(script, code, words.last), code);
}

function failureText(script: Script, code: number, words: string): string {
  const said = words.trim();
  return `${script.argv.join(' ')} failed with exit status ${code}${said === '' ? '' : `:\n${said}`}`;
}
