import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { join } from 'node:path';
import { silentServer } from '../../test/support/git-sandbox.js';
import { makeImage, writeLayout } from '../../test/support/image-maker.js';
import { hasRegistry, TestRegistry } from '../../test/support/registry.js';
import { describeResourceTypeContract } from '../../test/support/resource-type-contract.js';
import { registryImage } from './index.js';

const image = (text: string) =>
  makeImage([
    [
      { name: 'etc', type: 'directory' },
      { name: 'etc/text', text },
    ],
  ]);

if (hasRegistry()) {
  let registry: TestRegistry;
  let repository = '';
  let count = 0;
  beforeAll(async () => {
    registry = await TestRegistry.start();
  });
  afterAll(async () => registry.stop());

  describeResourceTypeContract({
    type: registryImage,
    source: async () => {
      repository = `team/app-${++count}`;
      await registry.push(repository, 'latest', await image('first'));
      return { repository: `${registry.host}/${repository}`, tag: 'latest' };
    },
    advance: async () => {
      await registry.push(repository, 'latest', await image(`number ${++count}`));
    },
    preparePut: async (dir) => {
      writeLayout(join(dir, 'built'), [await image(`put ${++count}`)]);
      return { image: 'built' };
    },
    hang: async () => {
      const server = await silentServer();
      let isConnected = false;
      void server.connected.then(() => (isConnected = true));
      return {
        source: { repository: `127.0.0.1:${server.port}/app`, tag: 'latest' },
        marker: 'weir-registry-image-has-no-process',
        isStarted: () => isConnected,
        close: () => server.close(),
      };
    },
  });
} else {
  describe('resource type registry-image keeps the contract', () => {
    it.skip('against docker-registry, which is not installed', () => undefined);
  });
}
