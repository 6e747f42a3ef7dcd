import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { Settings } from '../../src/platform/index.js';
import { chooseRuntime, DirectoryArtifactStore } from '../../src/runtime/index.js';
import { TestDocker } from '../support/docker-daemon.js';

const docker = await TestDocker.start();
const withDocker = docker === undefined ? it.skip : it;

describe('the choice of the runtime', () => {
  const before = process.env['DOCKER_HOST'];
  afterEach(() => {
    if (before === undefined) delete process.env['DOCKER_HOST'];
    else process.env['DOCKER_HOST'] = before;
  });
  afterAll(() => docker?.stop());

  const choose = async (runtime: string, host: string) => {
    process.env['DOCKER_HOST'] = host;
    const settings = new Settings({ runtime, dataDir: '/nonexistent', instanceId: 'one', isolation: 'none' });
    const pool = await chooseRuntime(settings, new DirectoryArtifactStore('/nonexistent'));
    return pool.members.map(({ name, runtime }) => `${name}: ${runtime.kind}`).join(', ');
  };
  const nowhere = 'unix:///nonexistent/docker.sock';

  it('takes host processes without asking Docker', async () => {
    expect(await choose('host', nowhere)).toBe('host: process');
  });

  it('takes host processes by itself when Docker does not answer', async () => {
    expect(await choose('auto', nowhere)).toBe('host: process');
  });

  it('refuses to start without the Docker that it is told to use, and says what to do', async () => {
    await expect(choose('docker', nowhere)).rejects.toMatchObject({
      code: 'docker-unreachable',
      message: expect.stringContaining('DOCKER_HOST'),
    });
  });

  withDocker('takes Docker alone when it is told to', async () => {
    expect(await choose('docker', `unix://${docker!.socketPath}`)).toBe('docker: docker');
  });

  withDocker('takes Docker by itself when it answers, and the host for what has no image', async () => {
    expect(await choose('auto', `unix://${docker!.socketPath}`)).toBe('docker: docker, host: process');
  });

  withDocker('takes several in the order that it is told', async () => {
    expect(await choose('host,docker', `unix://${docker!.socketPath}`)).toBe('host: process, docker: docker');
  });
});
