import { Module } from '@nestjs/common';
import os from 'node:os';
import { LOGGER, messageOf, Settings, UserError, type Logger } from '../platform/index.js';
import { DirectoryArtifactStore } from './artifacts/directory-artifact-store.js';
import { connectDocker, demandAnswer } from './docker/daemon.js';
import { DockerRuntime } from './docker/docker-runtime.js';
import type { Member } from './pool/choose-member.js';
import { RuntimePool } from './pool/runtime-pool.js';
import { HostRuntime } from './process/host-runtime.js';
import { probeIsolation } from './process/isolation.js';

/** Injection token of the {@link RuntimePool} that runs steps. */
export const RUNTIME = Symbol('runtime');
/** Injection token of the {@link import('./port.js').ArtifactStore} that belongs to it. */
export const ARTIFACTS = Symbol('artifacts');

/** How many steps a processor is expected to bear when the operator does not say: most of them wait for something. */
const SLOTS_PER_CORE = 10;

/**
 * The runtimes that the settings name, the preferred one first. `auto` is Docker and, for tasks without an image, the host;
 * or the host alone where Docker does not answer (see docs/adr/0013-runtimes-and-slots.md).
 * @throws UserError `docker-unreachable` when Docker is asked for and does not answer, `isolation-unavailable` when sandboxes
 * are required and do not work.
 */
export async function chooseRuntime(settings: Settings, artifacts: DirectoryArtifactStore): Promise<RuntimePool> {
  const isAuto = settings.runtime === 'auto';
  const docker = connectDocker();
  const members: Member[] = [];
  for (const name of isAuto ? ['docker', 'host'] : settings.runtime.split(',')) {
    if (name === 'docker') {
      const silence = await demandAnswer(docker).then(() => undefined, messageOf);
      if (silence !== undefined && isAuto) continue;
      if (silence !== undefined) throw unreachable(silence);
    }
    const runtime =
      name === 'docker'
        ? new DockerRuntime(docker, artifacts, settings.instanceId)
        : await openHost(settings, artifacts);
    const tags = settings.runtimeTags.filter((each) => each.runtime === name).flatMap((each) => each.tags);
    const slots = settings.slots[name] ?? SLOTS_PER_CORE * os.availableParallelism();
    members.push({ name, runtime, tags, slots });
  }
  const [first, ...others] = members;
  if (first === undefined) throw new Error(`there is no runtime "${settings.runtime}"`);
  const pool = new RuntimePool([first, ...others]);
  await pool.capabilities(); // known from now on, also while one of them is away
  return pool;
}

/** @throws UserError `isolation-unavailable` when a sandbox is required and none works. */
async function openHost(
  { dataDir, isolation, varsDir }: Settings,
  artifacts: DirectoryArtifactStore,
): Promise<HostRuntime> {
  const hidden = varsDir === '' ? [] : [varsDir];
  return new HostRuntime(dataDir, artifacts, await probeIsolation(dataDir, isolation, hidden));
}

/** Says what each runtime is; loudly where steps are not kept apart though that was wished for. */
async function announce(pool: RuntimePool, { isolation }: Settings, log: Logger): Promise<void> {
  for (const { name, runtime } of pool.members) {
    if (runtime.kind !== 'process') continue;
    const told = await runtime.capabilities();
    const isWorse = told.isolation === 'process-group' && isolation !== 'none';
    log[isWorse ? 'warn' : 'info']({ runtime: name }, told.description);
  }
}

function unreachable(silence: string): UserError {
  return new UserError(
    'docker-unreachable',
    `Docker does not answer (${silence}): start it, say by DOCKER_HOST where it is, or use --runtime host`,
    503,
  );
}

@Module({
  providers: [
    {
      provide: ARTIFACTS,
      inject: [Settings],
      useFactory: (settings: Settings) => new DirectoryArtifactStore(settings.dataDir),
    },
    {
      provide: RUNTIME,
      inject: [Settings, ARTIFACTS, LOGGER],
      useFactory: async (settings: Settings, artifacts: DirectoryArtifactStore, log: Logger) => {
        const pool = await chooseRuntime(settings, artifacts);
        await announce(pool, settings, log);
        return pool;
      },
    },
  ],
  exports: [ARTIFACTS, RUNTIME],
})
export class RuntimeModule {}
