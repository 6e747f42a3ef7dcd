import { afterAll, describe, it } from '@jest/globals';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { removeTree } from '../../src/runtime/files.js';
import { DirectoryArtifactStore, DockerRuntime } from '../../src/runtime/index.js';
import { BUSYBOX, TestDocker } from '../support/docker-daemon.js';
import { describeRuntimeContract, shellPrograms, type ContractSubject } from '../support/runtime-contract.js';

const docker = await TestDocker.start();

if (docker === undefined) {
  describe('contract of the docker runtime', () => it.skip('needs a Docker daemon', () => undefined));
} else {
  afterAll(() => docker.stop());
  const open = async (prefix: string, namespace: string): Promise<ContractSubject> => {
    const dir = await mkdtemp(path.join(os.tmpdir(), prefix));
    const artifacts = new DirectoryArtifactStore(dir);
    return {
      artifacts,
      runtime: () => new DockerRuntime(docker.client, artifacts, namespace),
      argv: (program) => ['/bin/sh', '-c', shellPrograms[program]],
      common: { image: { ref: BUSYBOX } },
      close: () => removeTree(dir),
    };
  };
  const abilities = { images: true, limits: true };
  describeRuntimeContract('docker', () => open('weir-docker-files-', 'shared'), abilities);
  // The options of mounts know no comma, so there is nothing but to send the files.
  describeRuntimeContract('docker, with a disk of its own,', () => open('weir-docker,files-', 'sent'), abilities);
}
