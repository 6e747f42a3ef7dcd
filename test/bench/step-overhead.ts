/**
 * What a step costs over the bare process, or over `docker run`, alternating so that both see the same machine:
 * `SWC_NODE_PROJECT=src/tsconfig.json node --import @swc-node/register/esm-register test/bench/step-overhead.ts \
 *   [--rounds 200] [--runtime docker|bubblewrap|namespaces]`. On Docker a daemon of its own is started.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { removeTree } from '../../src/runtime/files.js';
import {
  DirectoryArtifactStore,
  DockerRuntime,
  HostRuntime,
  PLAIN,
  probeIsolation,
  type StepSpec,
} from '../../src/runtime/index.js';
import { BUSYBOX, TestDocker } from '../support/docker-daemon.js';

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, runtime: { type: 'string', default: 'host' } },
});
const onDocker = values.runtime === 'docker';
const rounds = Number(values.rounds ?? (onDocker ? 20 : 200));
const dataDir = await mkdtemp(path.join(os.tmpdir(), 'weir-bench-'));
const artifacts = new DirectoryArtifactStore(dataDir);
const docker = onDocker ? await TestDocker.start() : undefined;
const kind = (['bubblewrap', 'namespaces'] as const).find((name) => name === values.runtime);
const isolation = kind === undefined ? PLAIN : await probeIsolation(dataDir, 'required', [], [kind]);
const runtime = docker
  ? new DockerRuntime(docker.client, artifacts, 'bench')
  : new HostRuntime(dataDir, artifacts, isolation);
if (onDocker && !docker) process.exit(1);
const never = new AbortController().signal;
const times: Record<string, number[]> = {};

async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await work();
  (times[name] ??= []).push(performance.now() - begin);
}

const image: Partial<StepSpec> = docker ? { image: { ref: BUSYBOX } } : {};
const argv = docker ? ['true'] : ['/bin/true'];
const bare = docker
  ? ['docker', '-H', `unix://${docker.socketPath}`, 'run', '--rm', '--init', BUSYBOX, 'true']
  : ['/bin/true'];
const bareName = docker ? 'docker run --rm' : 'bare process';

for (let i = 0; i < rounds; i++) {
  const handle = `b${i}-s1`;
  await measure(bareName, () => once(spawn(bare[0] ?? '', bare.slice(1)), 'close'));
  await measure('step, start to exit', async () => {
    await runtime.start({ handle, labels: {}, argv, env: {}, mounts: [], stdoutTo: 'log', ...image });
    await runtime.wait(handle, never);
  });
  await measure('removal', () => runtime.remove(handle));
}
const middle = (name: string): number => times[name]?.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0;
for (const [name, values] of Object.entries(times)) {
  values.sort((a, b) => a - b);
  const at = (share: number): string => (values[Math.floor(values.length * share)] ?? 0).toFixed(1);
  console.log(`${name}: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, best ${at(0)} ms (${os.loadavg()[0]?.toFixed(1)} load)`);
}
if (docker) {
  // `docker run --rm` removes, too.
  const share = (middle('step, start to exit') + middle('removal')) / middle(bareName);
  console.log(`a step with its removal takes ${share.toFixed(2)} times as long as docker run`);
}
await docker?.stop();
await removeTree(dataDir);
