import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DirectoryArtifactStore } from './directory-artifact-store.js';
import { readImageMetadata } from './image-metadata.js';

let folder: string;
let artifacts: DirectoryArtifactStore;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'weir-image-'));
  artifacts = new DirectoryArtifactStore(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the metadata of an image', () => {
  const read = async (id: string, text: string): ReturnType<typeof readImageMetadata> => {
    const ref = await artifacts.create(id, (dir) => writeFile(path.join(dir, 'metadata.json'), text));
    return readImageMetadata(artifacts, ref);
  };

  it('gives variables and user; what is missing or null is empty', async () => {
    const full = '{"env": ["A=b=c", "E=", "ALONE"], "user": "guest"}';
    expect(await read('full', full)).toEqual({ env: { A: 'b=c', E: '', ALONE: '' }, user: 'guest' });
    expect(await read('none', '{}')).toEqual({ env: {}, user: '' });
    expect(await read('null', '{"env": null, "user": null}')).toEqual({ env: {}, user: '' });
  });

  it('is refused without telling where the server keeps its files', async () => {
    const ref = await artifacts.create('empty', () => Promise.resolve());
    const refused: unknown = await readImageMetadata(artifacts, ref).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'bad-image' });
    expect(String(refused)).toContain('artifact "empty" is no image');
    expect(String(refused)).not.toContain(folder);
    await expect(read('text', 'no json')).rejects.toMatchObject({ code: 'bad-image' });
  });
});
