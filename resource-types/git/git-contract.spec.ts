import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { GitSandbox, silentServer } from '../../test/support/git-sandbox.js';
import { processesWith } from '../../test/support/processes.js';
import { describeResourceTypeContract } from '../../test/support/resource-type-contract.js';
import { git } from './index.js';

const sandbox = new GitSandbox();
afterAll(() => sandbox.remove());
let remote = '';
let count = 0;

describeResourceTypeContract({
  type: git,
  source: async () => {
    remote = sandbox.remote(`remote-${++count}.git`);
    return { uri: `file://${remote}`, branch: 'main' };
  },
  advance: async () => {
    sandbox.push(remote, { 'file.txt': `${++count}\n` }, 'second');
    sandbox.push(remote, { 'file.txt': `${++count}\n` }, 'third');
  },
  preparePut: async (dir) => {
    sandbox.commit(sandbox.clone(remote, join(dir, 'repo')), { 'new.txt': `${++count}\n` }, 'put');
    return { repository: 'repo' };
  },
  hang: async () => {
    const server = await silentServer();
    const marker = `127.0.0.1:${server.port}`;
    return {
      source: { uri: `http://${marker}/repo.git`, branch: 'main' },
      marker,
      isStarted: () =>
        processesWith(marker).some((command) => command.includes('remote-http')) ||
        !process.platform.startsWith('linux'),
      close: () => server.close(),
    };
  },
});
