import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { ResourceType } from '../../src/resources/index.js';
import { DockerRuntime, HostRuntime, type Runtime, type StepSpec } from '../../src/runtime/index.js';
import { BUSYBOX, type TestDocker } from './docker-daemon.js';
import type { EngineWorld } from './engine-world.js';

/** The programs of {@link EngineWorld}'s dummy machine, for machines with a shell. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ok: 'exit 0',
  fail: 'exit "${1:-1}"',
  print: 'printf "%s\\n" "$*"',
  warn: 'printf "%s\\n" "$*" >&2',
  env: 'for name; do eval "value=\\${$name-(unset)}"; printf "%s=%s\\n" "$name" "$value"; done',
  write: 'printf %s "$2" >"$1"; exit "${3:-0}"',
  cat: 'set -e; for file; do cat "$file"; echo; done',
  stay: 'echo ready; exec sleep 1000',
  stubborn: 'trap "echo no" TERM; echo ready; while :; do sleep 0.05; done',
  polite: 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done',
  linger: 'echo ready; sleep 0.4',
  where: 'basename "$PWD"',
  whoami: 'id -un',
};

/** A machine on which the build scenarios can run. */
export interface ScenarioMachine {
  readonly runtime: Runtime;
  readonly resourceTypes?: Readonly<Record<string, ResourceType>>;
  /** Makes the scenario's pipeline fit the machine. */
  readonly prepare?: (pipeline: string) => string;
}

export function hostMachine(world: EngineWorld): ScenarioMachine {
  return { runtime: withPrograms(new HostRuntime(world.folder, world.artifacts), (spec) => spec) };
}

/** Every task gets an image: a stand-in whose get is quick, for one that the daemon already has. */
export function dockerMachine(world: EngineWorld, docker: TestDocker): ScenarioMachine {
  const runtime = new DockerRuntime(docker.client, world.artifacts, 'scenarios');
  return {
    runtime: withPrograms(runtime, async (spec) => {
      const { image } = spec;
      if (image === undefined || 'ref' in image) return spec;
      const metadata = (await world.artifacts.readFile(image.artifact, 'metadata.json')).toString();
      return metadata === STANDS_IN ? { ...spec, image: { ref: BUSYBOX } } : spec;
    }),
    resourceTypes: { [IMAGE_TYPE]: standInImage },
    prepare: (pipeline) => JSON.stringify(withImages(parse(pipeline, { merge: true }))),
  };
}

/** Why privileged tasks cannot run there; undefined when they can. */
export async function whyNotPrivileged(docker: TestDocker): Promise<string | undefined> {
  const container = await docker.client.createContainer({
    Image: BUSYBOX,
    Cmd: ['true'],
    HostConfig: { Privileged: true },
  });
  try {
    await container.start();
    return undefined;
  } catch (error) {
    return `no privileged container can run here: ${(error as Error).message}`;
  } finally {
    await container.remove({ force: true });
  }
}

function withPrograms(runtime: Runtime, change: (spec: StepSpec) => StepSpec | Promise<StepSpec>): Runtime {
  const start = async (spec: StepSpec): Promise<void> => {
    const [name = '', ...args] = spec.argv;
    const program = PROGRAMS[name];
    const argv = program === undefined ? spec.argv : ['sh', '-c', program, name, ...args];
    return runtime.start(await change({ ...spec, argv }));
  };
  return Object.create(runtime, { start: { value: start } }) as Runtime;
}

const IMAGE_TYPE = 'stand-in-image';
const IMAGE = { type: IMAGE_TYPE, source: {}, version: { ref: 'v1' } };
const STANDS_IN = JSON.stringify({ env: [], standsInFor: BUSYBOX });

const standInImage: ResourceType = {
  name: IMAGE_TYPE,
  schema: { source: z.unknown(), getParams: z.unknown(), putParams: z.unknown() },
  check: () => Promise.resolve([]),
  get: async (_context, { version, dir }) => {
    await mkdir(path.join(dir, 'rootfs'));
    await writeFile(path.join(dir, 'metadata.json'), STANDS_IN);
    return { version, metadata: [] };
  },
  put: () => Promise.reject(new Error('not used')),
};

/** Gives every task config without an image one, those in files that a get writes too. */
function withImages(value: unknown): unknown {
  if (typeof value === 'string')
    return value.replace(/^platform: linux$/m, `platform: linux\nimage_resource: ${JSON.stringify(IMAGE)}`);
  if (Array.isArray(value)) return value.map(withImages);
  if (value === null || typeof value !== 'object') return value;
  const map = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withImages(each)]));
  return 'platform' in map && !('image_resource' in map) ? { ...map, image_resource: IMAGE } : map;
}
