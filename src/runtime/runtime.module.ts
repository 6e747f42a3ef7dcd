import { Module } from '@nestjs/common';
import { Settings } from '../platform/index.js';
import { DirectoryArtifactStore } from './artifacts/directory-artifact-store.js';
import { HostRuntime } from './process/host-runtime.js';

/** Injection token of the {@link import('./port.js').Runtime} that runs steps. */
export const RUNTIME = Symbol('runtime');
/** Injection token of the {@link import('./port.js').ArtifactStore} that belongs to it. */
export const ARTIFACTS = Symbol('artifacts');

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
      useFactory: (settings: Settings, artifacts: DirectoryArtifactStore) =>
        new HostRuntime(settings.dataDir, artifacts),
    },
  ],
  exports: [ARTIFACTS, RUNTIME],
})
export class RuntimeModule {}
