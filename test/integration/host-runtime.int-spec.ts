import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DirectoryArtifactStore, HostRuntime } from '../../src/runtime/index.js';
import { removeTree } from '../../src/runtime/files.js';
import { describeRuntimeContract, shellPrograms } from '../support/runtime-contract.js';

describeRuntimeContract('host', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'weir-host-'));
  const artifacts = new DirectoryArtifactStore(dir);
  return {
    artifacts,
    runtime: () => new HostRuntime(dir, artifacts),
    argv: (program) => ['/bin/sh', '-c', shellPrograms[program]],
    close: () => removeTree(dir),
  };
});
