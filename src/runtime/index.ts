export * from './port.js';
export { DirectoryArtifactStore } from './artifacts/directory-artifact-store.js';
export { DummyRuntime, DummyWorld, type DummyProgram, type DummyStep } from './dummy/dummy-runtime.js';
export { HostRuntime } from './process/host-runtime.js';
export { RuntimePool } from './pool/runtime-pool.js';
export type { Member, Need } from './pool/choose-member.js';
export { DockerRuntime } from './docker/docker-runtime.js';
export { ARTIFACTS, RUNTIME, RuntimeModule, chooseRuntime } from './runtime.module.js';
export { MachineImages, writeTypeImage, type ImageExtras } from './machine-image/machine-images.js';
