import { Module } from '@nestjs/common';
import { messageOf, Settings, UserError } from '../platform/index.js';
import { DirectoryArtifactStore } from './artifacts/directory-artifact-store.js';
import { connectDocker, demandAnswer } from './docker/daemon.js';
import { DockerRuntime } from './docker/docker-runtime.js';
import type { Runtime } from './port.js';
import { HostRuntime } from './process/host-runtime.js';

/** Injection token of the {@link import('./port.js').Runtime} that runs steps. */
export const RUNTIME = Symbol('runtime');
/** Injection token of the {@link import('./port.js').ArtifactStore} that belongs to it. */
export const ARTIFACTS = Symbol('artifacts');

/** @throws UserError `docker-unreachable` when Docker is asked for and does not answer. */
export async function chooseRuntime(settings: Settings, artifacts: DirectoryArtifactStore): Promise<Runtime> {
  const host = new HostRuntime(settings.dataDir, artifacts);
  if (settings.runtime === 'host') return host;
  const docker = connectDocker();
  try {
    await demandAnswer(docker);
    return new DockerRuntime(docker, artifacts, settings.instanceId);
  } catch (cause) {
    if (settings.runtime === 'auto') return host;
    throw new UserError(
      'docker-unreachable',
      `Docker does not answer (${messageOf(cause)}): start it, say by DOCKER_HOST where it is, or use --runtime host`,
      503,
    );
  }
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
      inject: [Settings, ARTIFACTS],
      useFactory: chooseRuntime,
    },
  ],
  exports: [ARTIFACTS, RUNTIME],
})
export class RuntimeModule {}
