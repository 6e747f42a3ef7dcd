import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { BuildTracker } from '../../src/builds/index.js';
import { ApiServer } from '../support/api-server.js';
import { until } from '../support/team-server.js';

let server: ApiServer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'weir-artifacts-'));
  server = await ApiServer.start({ dataDir: path.join(folder, 'data'), runtime: 'host', maxUploadMb: 1 });
  await server.ask('PUT', '/api/v1/teams/other', { auth: { owner: { users: ['local:somebody'], groups: [] } } });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

interface View {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly build_id: number;
  readonly created_at: number;
}

const ARTIFACTS = '/api/v1/teams/main/artifacts';

/** What `fly` sends: a folder as a tar archive, compressed with gzip, in chunks without a length. */
async function upload(archive: Buffer, team = 'main'): Promise<Response> {
  return fetch(`${server.url}/api/v1/teams/${team}/artifacts?platform=linux`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/octet-stream' },
    body: new ReadableStream({
      start(controller) {
        for (let at = 0; at < archive.length; at += 50_000) controller.enqueue(archive.subarray(at, at + 50_000));
        controller.close();
      },
    }),
    duplex: 'half',
  });
}

async function uploaded(archive: Buffer): Promise<View> {
  const answer = await upload(archive);
  expect(answer.status).toBe(201);
  return (await answer.json()) as View;
}

async function sampleArchive(text = 'hello'): Promise<Buffer> {
  const dir = await mkdtemp(path.join(folder, 'in-'));
  await mkdir(path.join(dir, 'sub'));
  await writeFile(path.join(dir, 'sub/file'), text);
  await writeFile(path.join(dir, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('sub/file', path.join(dir, 'link'));
  return spawnSync('tar', ['-C', dir, '-czf', '-', '.']).stdout;
}

async function tarOf(name: string, content: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

const task = (id: string, script: string, inputs: string[], outputs: string[] = []): Record<string, unknown> => ({
  id,
  task: {
    name: 'one-off',
    privileged: false,
    config: {
      platform: process.platform,
      inputs: inputs.map((name) => ({ name })),
      outputs: outputs.map((name) => ({ name })),
      run: { path: 'sh', args: ['-ec', script] },
    },
  },
});

/** As `fly execute -i src=… -o out=…` posts it. */
const executePlan = (artifactId: number, script: string): Record<string, unknown> => ({
  id: '1',
  ensure: {
    step: {
      id: '2',
      do: [
        { id: '3', in_parallel: { steps: [{ id: '4', artifact_input: { artifact_id: artifactId, name: 'src' } }] } },
        task('5', script, ['src'], ['out']),
      ],
    },
    ensure: { id: '6', in_parallel: { steps: [{ id: '7', artifact_output: { name: 'out' } }] } },
  },
});

async function executed(plan: unknown): Promise<View> {
  const { id } = await server.ask<View>('POST', '/api/v1/teams/main/builds', plan);
  const read = (): Promise<View> => server.ask<View>('GET', `/api/v1/builds/${id}`);
  return until(read, ({ status }) => !['pending', 'started'].includes(status), `the end of build ${id}`);
}

const storedTrees = async (): Promise<string[]> =>
  (await readdir(path.join(folder, 'data/artifacts')).catch(() => [])).filter((name) => name.startsWith('upload-'));

describe('artifacts of one-off builds', () => {
  it('are uploaded, read by a task, left by it also when it fails, and downloaded', async () => {
    const { id } = await uploaded(await sampleArchive());
    const build = await executed(
      executePlan(id, 'cat src/link src/sub/file > out/twice; test -x src/run.sh; ln -s twice out/l; exit 3'),
    );
    expect(build.status).toBe('failed');
    expect(await server.ask('GET', `/api/v1/builds/${build.id}/plan`)).toMatchObject({
      plan: {
        ensure: {
          step: { do: [{ in_parallel: { steps: [{ artifact_input: { artifact_id: id, name: 'src' } }] } }, {}] },
          ensure: { in_parallel: { steps: [{ artifact_output: { name: 'out' } }] } },
        },
      },
    });
    const [output, ...others] = await server.ask<View[]>('GET', `/api/v1/builds/${build.id}/artifacts`);
    expect(others).toEqual([]);
    expect(output).toEqual({
      id: expect.any(Number),
      name: 'out',
      build_id: build.id,
      created_at: expect.any(Number),
    });
    // The sweep leaves it until it expires.
    await sweep();
    const answer = await server.fetch('GET', `${ARTIFACTS}/${output!.id}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/octet-stream']);
    const target = await mkdtemp(path.join(folder, 'out-'));
    spawnSync('tar', ['-C', target, '-xf', '-'], { input: gunzipSync(Buffer.from(await answer.arrayBuffer())) });
    expect(await readFile(path.join(target, 'twice'), 'utf8')).toBe('hellohello');
    expect(await readFile(path.join(target, 'l'), 'utf8')).toBe('hellohello');
  });

  it('belong to a team: nobody finds them from another one, by any road', async () => {
    const { id } = await uploaded(await sampleArchive('secret'));
    expect((await server.fetch('GET', `${ARTIFACTS}/${id}`)).status).toBe(200);
    expect((await server.fetch('GET', `/api/v1/teams/other/artifacts/${id}`)).status).toBe(404);
    const stolen = await server.fetch('POST', '/api/v1/teams/other/builds', executePlan(id, 'cat src/sub/file'));
    expect([stolen.status, await stolen.text()]).toEqual([404, expect.stringContaining(`no artifact ${id}`)]);
    const builds = await server.ask<View[]>('GET', '/api/v1/teams/other/builds');
    expect(builds).toEqual([]);
    expect((await server.fetch('GET', `${ARTIFACTS}/999999`)).status).toBe(404);
    expect((await server.fetch('GET', `${ARTIFACTS}/../../x`)).status).toBe(404);
    expect((await server.fetch('GET', `${ARTIFACTS}/1%2F..`)).status).toBe(400);
  });

  it.each([
    ['climbs out of its folder', () => tarOf('../../evil', 'x'), 'leads out of the folder'],
    ['is an absolute path', () => tarOf('/tmp/weir-evil', 'x'), 'leads out of the folder'],
    ['is larger than allowed, unpacked', () => tarOf('big', '\0'.repeat(3_000_000)), 'larger than'],
    ['is no archive', () => Promise.resolve(Buffer.from('words '.repeat(1000))), 'broken'],
    ['breaks off', async () => (await sampleArchive()).subarray(0, 100), 'broken'],
  ])('are refused when the upload %s, and nothing of it stays', async (_, archive, reason) => {
    const before = await storedTrees();
    const answer = await upload(await archive());
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(reason)]);
    expect(await storedTrees()).toEqual(before);
    const rows = await server.database.db.query(`select from artifacts where not complete`);
    expect(rows).toEqual([]);
  });

  it('want a login and the right kind of body', async () => {
    const url = server.url + ARTIFACTS;
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(401);
    expect((await server.fetch('POST', ARTIFACTS, { a: 1 })).status).toBe(400);
    expect((await upload(await sampleArchive(), 'none')).status).toBe(404);
  });

  it('expire, unless an unfinished build was posted with them; then their files go too', async () => {
    const [used, unused] = [await uploaded(await sampleArchive()), await uploaded(await sampleArchive())];
    const { id: build } = await server.ask<View>(
      'POST',
      '/api/v1/teams/main/builds',
      executePlan(used.id, 'until [ -e ../go ]; do sleep 0.05; done; cat src/sub/file > out/f'),
    );
    const before = (await storedTrees()).length;
    await server.database.db.query(`update artifacts set expires_at = now() - interval '1 s' where build_id is null`);
    await sweep();
    const left = await server.database.db.query<{ id: number }>(`select id from artifacts where build_id is null`);
    expect(left.map(({ id }) => id)).toEqual([used.id]);
    expect((await storedTrees()).length).toBe(1);
    expect(before).toBeGreaterThan(1);
    expect((await server.fetch('GET', `${ARTIFACTS}/${unused.id}`)).status).toBe(404);
    await server.ask('PUT', `/api/v1/builds/${build}/abort`);
    await until(
      () => server.ask<View>('GET', `/api/v1/builds/${build}`),
      ({ status }) => status === 'aborted',
      'the abort',
    );
    await sweep();
    expect(await storedTrees()).toEqual([]);
  });

  it('that the plan names wrongly are refused before the build begins', async () => {
    const answer = await server.fetch('POST', '/api/v1/teams/main/builds', {
      id: '1',
      artifact_input: { artifact_id: 'x', name: 'src' },
    });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('artifact_id')]);
  });
});

/** As the engine does from time to time. */
function sweep(): Promise<void> {
  return server.app.get<{ sweep(): Promise<void> }>(BuildTracker).sweep();
}
