import { describe, it } from '@jest/globals';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DirectoryArtifactStore, HostRuntime } from '../../src/runtime/index.js';
import { PLAIN, probeIsolation } from '../../src/runtime/process/isolation.js';
import { removeTree } from '../../src/runtime/files.js';
import { describeRuntimeContract, shellPrograms, type ContractSubject } from '../support/runtime-contract.js';

const levels = ['none', 'bubblewrap', 'namespaces'] as const;

for (const level of levels) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'weir-host-'));
  const isolation = level === 'none' ? PLAIN : await probeIsolation(dir, 'preferred', [], [level]);
  const name = `host (${level === 'none' ? 'plain' : level})`;
  if (isolation.kind !== level) {
    console.warn(`SKIPPED: the contract of the ${name} runtime: ${isolation.kind === 'none' ? isolation.reason : ''}`);
    await removeTree(dir);
    describe(`contract of the ${name} runtime`, () => it.skip('needs a sandbox', () => undefined));
    continue;
  }
  const open = async (): Promise<ContractSubject> => {
    const artifacts = new DirectoryArtifactStore(dir);
    return {
      artifacts,
      runtime: () => new HostRuntime(dir, artifacts, isolation),
      argv: (program) => ['/bin/sh', '-c', shellPrograms[program]],
      close: () => removeTree(dir),
    };
  };
  const abilities = { images: level !== 'none', limits: isolation.cgroups !== undefined };
  describeRuntimeContract(name, open, abilities);
}
