import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Version } from '../../src/resources/contract.js';
import { parseInput } from '../../src/resources/parse-input.js';
import { HttpDouble } from '../../test/support/http-double.js';
import {
  blobOf,
  makeImage,
  makeIndex,
  tarOf,
  writeLayout,
  type LayerEntry,
  type MadeImage,
} from '../../test/support/image-maker.js';
import { hasRegistry, TestRegistry } from '../../test/support/registry.js';
import { filesOf, stepContext } from '../../test/support/resource-type-contract.js';
import { registryImage } from './index.js';
import { readTar } from './tar.js';

const login = { username: 'ada', password: 'secret-of-ada' };
const layer = (text: string): LayerEntry[] => [
  { name: 'etc', type: 'directory' },
  { name: 'etc/text', text },
];
const host = process.arch === 'x64' ? 'amd64' : process.arch;
const other = host === 'amd64' ? 'arm64' : 'amd64';
const describeWithRegistry = hasRegistry() ? describe : describe.skip;

describeWithRegistry('registry-image with docker-registry', () => {
  let registry: TestRegistry;
  let locked: TestRegistry;
  let base: string;
  let dir: string;
  let context: ReturnType<typeof stepContext>;
  let repository: string;
  let count = 0;

  beforeAll(async () => {
    [registry, locked] = await Promise.all([TestRegistry.start(), TestRegistry.start(login)]);
  });
  afterAll(async () => {
    await Promise.all([registry.stop(), locked.stop()]);
  });
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'weir-test-image-'));
    dir = mkdtempSync(join(base, 'dir-'));
    context = stepContext(join(base, 'cache'));
    repository = `team/app-${++count}`;
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  const source = (more: object = {}) =>
    parseInput(registryImage.schema.source, { repository: `${registry.host}/${repository}`, ...more }, 'source');
  const check = (more: object, version?: Version) =>
    registryImage.check(context, { source: source(more), ...(version && { version }) });
  const get = (version: Version, params: object = {}, more: object = {}) =>
    registryImage.get(context, {
      source: source(more),
      params: parseInput(registryImage.schema.getParams, params, 'params'),
      version,
      dir,
    });
  const put = (params: object, more: object = { tag: 'latest' }) =>
    registryImage.put(context, {
      source: source(more),
      params: parseInput(registryImage.schema.putParams, params, 'params'),
      dir,
    });
  const push = (tag: string, image: MadeImage) => registry.push(repository, tag, image);
  const read = (path: string) => readFileSync(join(dir, path), 'utf8');
  const readJson = (path: string): unknown => JSON.parse(read(path));

  describe('check', () => {
    it('finds nothing where nothing was pushed', async () => {
      expect(await check({ tag: 'latest' })).toEqual([]);
      expect(await check({})).toEqual([]);
      expect(await check({ tag_regex: '.' })).toEqual([]);
    });

    it('finds a new version when the tag moves', async () => {
      const first = { tag: 'latest', digest: await push('latest', await makeImage([layer('one')])) };
      expect(await check({ tag: 'latest' })).toEqual([first]);
      const second = { tag: 'latest', digest: await push('latest', await makeImage([layer('two')])) };
      expect(await check({ tag: 'latest' }, first)).toEqual([first, second]);
      expect(await check({ tag: 'latest' })).toEqual([second]);
      await registry.deleteManifest(repository, first.digest);
      expect(await check({ tag: 'latest' }, first)).toEqual([second]);
    });

    it('finds each version once under its most specific tag, in order', async () => {
      const digests: Record<string, string> = {};
      for (const version of ['1.0.0', '1.1.0', '1.10.0']) {
        digests[version] = await push(version, await makeImage([layer(version)]));
      }
      for (const alias of ['1', '1.10', 'latest']) await push(alias, await makeImage([layer('1.10.0')]));
      await push('1.1.0-slim', await makeImage([layer('slim')]));
      const of = (tag: string) => ({ tag, digest: digests[tag]! });
      expect(await check({})).toEqual(['1.0.0', '1.1.0', '1.10.0'].map(of));
      expect(await check({}, of('1.1.0'))).toEqual(['1.1.0', '1.10.0'].map(of));
      expect(await check({}, of('1.10.0'))).toEqual([of('1.10.0')]);
      expect(await check({ semver_constraint: '< 1.5' })).toEqual(['1.0.0', '1.1.0'].map(of));
      expect(await check({ variant: 'slim' })).toMatchObject([{ tag: '1.1.0-slim' }]);
    });

    it('finds a version again whose tag was pushed over', async () => {
      const first = { tag: '1.0.0', digest: await push('1.0.0', await makeImage([layer('one')])) };
      const second = { tag: '1.0.0', digest: await push('1.0.0', await makeImage([layer('two')])) };
      expect(await check({}, first)).toEqual([first, second]);
    });

    it('finds the tags that match, by number or by the time they were made', async () => {
      const days: Record<string, string> = { 'build-2': '03', 'build-10': '01', 'build-9': '02', other: '04' };
      for (const [tag, day] of Object.entries(days)) {
        await push(tag, await makeImage([layer(tag)], { created: `2026-01-${day}T00:00:00Z` }));
      }
      const tags = async (more: object, version?: Version) =>
        (await check({ tag_regex: '^build-', ...more }, version)).map(({ tag }) => tag);
      expect(await tags({})).toEqual(['build-2', 'build-9', 'build-10']);
      const [, second] = await check({ tag_regex: '^build-' });
      expect(await tags({}, second)).toEqual(['build-9', 'build-10']);
      expect(await tags({ created_at_sort: true })).toEqual(['build-10', 'build-9', 'build-2']);
      const known: unknown = JSON.parse(readFileSync(join(context.cacheDir, 'created.json'), 'utf8'));
      expect(Object.keys(known as object)).toHaveLength(3);
      writeFileSync(join(context.cacheDir, 'created.json'), 'broken');
      expect(await tags({ created_at_sort: true }, second)).toEqual(['build-9', 'build-2']);
    });

    it('asks the mirror when the repository names no registry', async () => {
      repository = `library/base-${count}`;
      const digest = await push('latest', await makeImage([layer('mirrored')]));
      const mirrored = { repository: `base-${count}`, tag: 'latest', registry_mirror: { host: registry.host } };
      expect(await check(mirrored)).toEqual([{ tag: 'latest', digest }]);
      await get({ tag: 'latest', digest }, {}, mirrored);
      expect(read('rootfs/etc/text')).toBe('mirrored');
    });

    it.each([
      ['fails', 500],
      ['has nothing', 404],
    ])('asks the registry itself when the mirror %s', async (_title, status) => {
      const stop = new AbortController();
      const mirror = await HttpDouble.start(() => ({ status, headers: { 'retry-after': '0' } }));
      try {
        const texts: string[] = [];
        const watched = stepContext(context.cacheDir, { signal: stop.signal });
        // The registry itself would be Docker Hub: it must be asked, but not by a test.
        const log = (text: string) => {
          texts.push(text);
          if (text.includes('docker.io')) stop.abort(new Error('would ask Docker Hub'));
        };
        const mirrored = source({ repository: 'base', tag: 'x', registry_mirror: { host: mirror.host } });
        await expect(registryImage.check({ ...watched, log }, { source: mirrored })).rejects.toThrow(
          'would ask Docker Hub',
        );
      } finally {
        await mirror.stop();
      }
    });
  });

  describe('get', () => {
    it('unpacks the image and tells how to run it', async () => {
      const config = {
        Env: ['PATH=/bin', 'A=b'],
        User: '1000:1000',
        Cmd: ['sh'],
        Entrypoint: ['/init'],
        Labels: { 'org.test': 'x' },
      };
      const image = await makeImage(
        [
          layer('lower'),
          [
            { name: 'etc/.wh.text', text: '' },
            { name: 'etc/new', text: 'n' },
          ],
        ],
        { config },
      );
      const version = { tag: 'latest', digest: await push('latest', image) };
      const result = await get(version);
      expect(result).toEqual({
        version,
        metadata: [
          { name: 'repository', value: `${registry.host}/${repository}` },
          { name: 'tag', value: 'latest' },
          { name: 'digest', value: version.digest },
        ],
      });
      expect(Object.keys(filesOf(dir))).toEqual([
        'digest',
        'labels.json',
        'metadata.json',
        'repository',
        'rootfs/etc/new',
        'tag',
      ]);
      expect(readdirSync(dir).toSorted()).toEqual([
        'digest',
        'labels.json',
        'metadata.json',
        'repository',
        'rootfs',
        'tag',
      ]);
      expect(readJson('metadata.json')).toEqual({
        env: config.Env,
        user: '1000:1000',
        cmd: ['sh'],
        entrypoint: ['/init'],
      });
      expect(readJson('labels.json')).toEqual({ 'org.test': 'x' });
      expect([read('tag'), read('digest'), read('repository')]).toEqual([
        'latest',
        version.digest,
        `${registry.host}/${repository}`,
      ]);
    });

    const compressions: [string, object][] = [
      ['of Docker', { isDocker: true }],
      ['that is not compressed', { compress: (tar: Buffer) => tar }],
      ['of several gzip streams', { compress: (tar: Buffer) => Buffer.concat([zlib.gzipSync(tar.subarray(0, 700)), zlib.gzipSync(tar.subarray(700))]) }],
    ]; // prettier-ignore
    const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer };
    if (zstdCompressSync !== undefined) compressions.push(['of zstd', { compress: zstdCompressSync }]);
    it.each(compressions)('unpacks an image %s', async (_title, options) => {
      const digest = await push('latest', await makeImage([layer('text')], options));
      await get({ digest });
      expect(read('rootfs/etc/text')).toBe('text');
      expect(read('tag')).toBe('');
    });

    it('says that zstd needs a newer Node, where it does', async () => {
      if (zstdCompressSync !== undefined) return expect(compressions).toHaveLength(4);
      const compress = () => Buffer.from('28b52ffd04000000', 'hex');
      const digest = await push('latest', await makeImage([layer('text')], { compress }));
      await expect(get({ digest })).rejects.toThrow(/zstd, which needs Node 22\.15/);
    });

    it('chooses the image of the platform', async () => {
      const images = {
        [other]: await makeImage([layer('other')]),
        [host]: await makeImage([layer('mine')]),
        unknown: await makeImage([layer('attestation')]),
      };
      for (const image of Object.values(images)) await push('part', image);
      const version = { digest: await registry.pushManifest(repository, 'multi', makeIndex(images)) };
      await get(version);
      expect(read('rootfs/etc/text')).toBe('mine');
      rmSync(join(dir, 'rootfs'), { recursive: true });
      await get(version, { platform: { architecture: other } });
      expect(read('rootfs/etc/text')).toBe('other');
      await expect(get(version, {}, { platform: { architecture: 's390x' } })).rejects.toThrow(
        `is not there for linux/s390x, only for linux/${other}, linux/${host}`,
      );
    });

    it('refuses a layer that is not what the image says', async () => {
      const image = await makeImage([layer('one')]);
      const wrong = await makeImage([layer('two')]);
      const manifest = blobOf(image.manifest.bytes.toString().replace(image.config.digest, wrong.config.digest));
      await push('two', wrong);
      await push('one', image);
      const { mediaType } = image.manifest;
      const digest = await registry.pushManifest(repository, 'mixed', { ...manifest, mediaType });
      await expect(get({ digest })).rejects.toThrow(/layer 1 is not what its digest .* promises/);
    });

    it('refuses an artifact that is no image, unless it only stores it', async () => {
      const image = await makeImage([layer('chart')]);
      await push('image', image);
      const { mediaType } = image.manifest;
      const text = image.manifest.bytes
        .toString()
        .replaceAll('oci.image.layer.v1.tar+gzip', 'cncf.helm.chart.content.v1.tar+gzip');
      const digest = await registry.pushManifest(repository, 'chart', { ...blobOf(text), mediaType });
      await expect(get({ digest })).rejects.toThrow(/is no image: it holds 'application\/vnd\.cncf\.helm/);
      await get({ digest }, { format: 'oci-layout' });
      expect(existsSync(join(dir, 'oci/blobs', digest.replace(':', '/')))).toBe(true);
    });

    it('refuses a hostile layer and writes nothing outside', async () => {
      const digest = await push('evil', await makeImage([[{ name: '../../evil', text: 'x' }]]));
      await expect(get({ digest })).rejects.toMatchObject({ name: 'ResourceFailure' });
      expect(readdirSync(base).toSorted()).toEqual([dir.slice(base.length + 1)]);
    });

    it('downloads nothing when told so', async () => {
      await get({ tag: 'x', digest: blobOf('nothing').digest }, { skip_download: true });
      expect(readdirSync(dir).toSorted()).toEqual(['digest', 'repository', 'tag']);
    });

    it.each([
      [{}, /no usable digest/],
      [{ digest: 'sha256:abc' }, /no usable digest/],
      [{ digest: blobOf('gone').digest }, /there is no sha256:/],
    ])('fails for the version %j', async (version, message) => {
      await expect(get(version as Version)).rejects.toMatchObject({
        name: 'ResourceFailure',
        message: expect.stringMatching(message),
      });
    });

    it('writes an archive that is an OCI layout and that docker can load', async () => {
      const image = await makeImage([layer('one'), layer('two')], { config: { Labels: { a: 'b' } } });
      const digest = await push('1.0', image);
      await get({ tag: '1.0', digest }, { format: 'oci' });
      expect(readdirSync(dir).toSorted()).toEqual(['digest', 'image.tar', 'labels.json', 'repository', 'tag']);
      const files: Record<string, Buffer> = {};
      const whole = [readFileSync(join(dir, 'image.tar'))];
      const signal = new AbortController().signal;
      for await (const { header, body } of readTar((async function* () { yield* whole; })(), signal)) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of body) chunks.push(chunk);
        files[header.name] = Buffer.concat(chunks);
      } // prettier-ignore
      const path = (blob: { digest: string }) => `blobs/${blob.digest.replace(':', '/')}`;
      expect(JSON.parse(files['manifest.json']!.toString())).toEqual([
        {
          Config: path(image.config),
          RepoTags: [`${registry.host}/${repository}:1.0`],
          Layers: image.layers.map(path),
        },
      ]);
      expect(JSON.parse(files['index.json']!.toString())).toMatchObject({ manifests: [{ digest }] });
      for (const blob of [image.manifest, image.config, ...image.layers]) expect(files[path(blob)]).toEqual(blob.bytes);
    });

    it('gives up in the middle when it is aborted', async () => {
      const digest = await push('latest', await makeImage([layer('x')]));
      const stop = new AbortController();
      const log = () => stop.abort(new Error('stopped'));
      const params = parseInput(registryImage.schema.getParams, {}, 'params');
      const stopping = { ...context, signal: stop.signal, log };
      await expect(registryImage.get(stopping, { source: source(), params, version: { digest }, dir })).rejects.toThrow(
        'stopped',
      );
    });

    const canRun = ['/usr/bin/busybox', '/usr/bin/bwrap'].every((path) => existsSync(path));
    if (!canRun) console.warn('SKIPPED: running an unpacked image needs busybox-static and bubblewrap');
    (canRun ? it : it.skip)('unpacks an image that runs', async () => {
      const entries: LayerEntry[] = [
        { name: 'bin', type: 'directory' },
        { name: 'bin/busybox', mode: 0o755, text: readFileSync('/usr/bin/busybox') },
        { name: 'bin/sh', type: 'symlink', linkname: '/bin/busybox' },
        { name: 'bin/cat', type: 'link', linkname: 'bin/busybox' },
        { name: 'etc/motd', text: 'hello from the image' },
      ];
      const digest = await push('busybox', await makeImage([entries]));
      await get({ digest });
      const args = [
        '--unshare-user',
        '--unshare-pid',
        '--bind',
        join(dir, 'rootfs'),
        '/',
        '/bin/sh',
        '-c',
        'cat /etc/motd',
      ];
      let said: string;
      try {
        said = execFileSync('bwrap', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
      } catch (error) {
        if (!/namespace|Operation not permitted/i.test(String((error as { stderr?: unknown }).stderr))) throw error;
        console.warn('SKIPPED: this machine lets nobody make namespaces');
        return;
      }
      expect(said).toBe('hello from the image');
    });
  });

  describe('put', () => {
    const layout = async (name: string, ...images: MadeImage[]) => writeLayout(join(dir, name), images);
    const tarLayout = (from: string, to: string, ...flags: string[]) =>
      execFileSync('tar', ['-C', join(dir, from), ...flags, '-cf', join(dir, to), '.']);

    it.each([
      ['a folder', 'built', () => undefined],
      ['a tar', 'image.tar', () => tarLayout('built', 'image.tar')],
      ['a compressed tar', 'image.tgz', () => tarLayout('built', 'image.tgz', '-z')],
      ['what matches a glob', 'im*/*.tar', () => { mkdirSync(join(dir, 'image-1')); tarLayout('built', 'image-1/x.tar'); }],
    ])('pushes an OCI layout from %s', async (_title, path, prepare) => {
      const image = await makeImage([layer('one')]);
      await layout('built', image);
      prepare();
      const result = await put({ image: path });
      expect(result).toEqual({
        version: { tag: 'latest', digest: image.manifest.digest },
        metadata: [
          { name: 'repository', value: `${registry.host}/${repository}` },
          { name: 'tags', value: 'latest' },
          { name: 'digest', value: image.manifest.digest },
        ],
      });
      expect(await registry.manifest(repository, 'latest')).toBe(image.manifest.bytes.toString());
      expect(readdirSync(context.cacheDir)).toEqual([]);
    }); // prettier-ignore

    it('pushes what docker save makes, the same each time', async () => {
      const tars = [await tarOf(layer('one')), await tarOf([{ name: 'etc/two', text: '2' }])];
      const config = JSON.stringify({
        os: 'linux',
        architecture: host,
        config: { Env: ['A=b'] },
        rootfs: { type: 'layers', diff_ids: tars.map((tar) => blobOf(tar).digest) },
      });
      const saved = await tarOf([
        {
          name: 'manifest.json',
          text: JSON.stringify([{ Config: 'abc.json', RepoTags: ['x:y'], Layers: ['1/layer.tar', '2/layer.tar'] }]),
        },
        { name: 'abc.json', text: config },
        { name: 'real.tar', text: tars[0]! },
        { name: '1/layer.tar', type: 'symlink', linkname: '../real.tar' },
        { name: '2/layer.tar', text: tars[1]! },
      ]);
      writeFileSync(join(dir, 'saved.tar'), saved);
      const { version } = await put({ image: 'saved.tar' });
      expect(await put({ image: 'saved.tar' })).toMatchObject({ version });
      await get(version);
      expect([read('rootfs/etc/text'), read('rootfs/etc/two')]).toEqual(['one', '2']);
      expect(readJson('metadata.json')).toMatchObject({ env: ['A=b'] });
    });

    it('promotes images of all platforms unchanged', async () => {
      const images = { [host]: await makeImage([layer('mine')]), [other]: await makeImage([layer('other')]) };
      for (const image of Object.values(images)) await push('part', image);
      const digest = await registry.pushManifest(repository, 'multi', makeIndex(images));
      await get({ digest }, { format: 'oci-layout' });
      repository = `prod/app-${count}`;
      expect((await put({ image: 'oci', version: '1.2.3' }, {})).version).toEqual({ tag: '1.2.3', digest });
      await get({ digest }, { platform: { architecture: other } });
      expect(read('rootfs/etc/text')).toBe('other');
    });

    it('pushes several images of a layout as one index', async () => {
      await layout('built', await makeImage([layer('a')]), await makeImage([layer('b')]));
      const { version } = await put({ image: 'built' });
      expect(version['digest']).toBe(blobOf(read('built/index.json')).digest);
    });

    it('pushes the tag, the version with its aliases, and further tags', async () => {
      await push('1.3.0-slim', await makeImage([layer('newer')]));
      await layout('built', await makeImage([layer('one')]));
      writeFileSync(join(dir, 'tags'), ' canary\nedge  1.2.3 ');
      const params = {
        image: 'built',
        version: '1.2.3',
        bump_aliases: true,
        additional_tags: 'tags',
        tag_prefix: 'x-',
      };
      const { version, metadata } = await put(params, { tag: 'main', variant: 'slim' });
      expect(version['tag']).toBe('main');
      const tags = ['main', '1.2.3-slim', '1.2-slim', 'x-canary', 'x-edge', 'x-1.2.3'];
      expect(metadata[1]).toEqual({ name: 'tags', value: tags.join(' ') });
      expect(await registry.tags(repository)).toEqual([...tags, '1.3.0-slim'].toSorted());
    });

    it('is found by the next check under the version it gave', async () => {
      await layout('built', await makeImage([layer('one')]));
      const { version } = await put({ image: 'built', version: '1.2.3', bump_aliases: true }, {});
      expect(version['tag']).toBe('1.2.3');
      expect(await check({})).toEqual([version]);
    });

    it.each<[string, (dir: string) => void, object, object, RegExp]>([
      ['no tag', () => undefined, { image: 'built' }, {}, /no tag to push/],
      ['no image', () => undefined, { image: 'none/*.tar' }, { tag: 'x' }, /nothing among the step's inputs matches 'none/],
      ['several images', () => undefined, { image: '*' }, { tag: 'x' }, /must match one image, not built, empty/],
      ['a path that leads out', () => undefined, { image: '../*' }, { tag: 'x' }, /leads out of the step's inputs/],
      ['a link that leads out', (at) => symlinkSync('/etc', join(at, 'l')), { image: 'l' }, { tag: 'x' }, /matches|leads out/],
      ['an empty folder', () => undefined, { image: 'empty' }, { tag: 'x' }, /neither an OCI layout nor made by 'docker save'/],
      ['a file that is no tar', (at) => writeFileSync(join(at, 't'), 'x'.repeat(1000)), { image: 't' }, { tag: 'x' }, /not a readable tar/],
      ['a bad tag', (at) => writeFileSync(join(at, 'tags'), 'a/b'), { image: 'built', additional_tags: 'tags' }, {}, /'a\/b' is not a valid tag/],
      ['aliases of what is no version', () => undefined, { image: 'built', version: 'main', bump_aliases: true }, {}, /'main' is not a version/],
      ['a blob that was changed', (at) => corrupt(at), { image: 'built' }, { tag: 'x' }, /is not what its digest/],
      ['a blob that is missing', (at) => corrupt(at, true), { image: 'built' }, { tag: 'x' }, /the image lacks sha256:/],
    ])('refuses %s', async (_title, prepare, params, more, message) => {
      await layout('built', await makeImage([layer(`for ${_title}`)]));
      mkdirSync(join(dir, 'empty'));
      prepare(dir);
      await expect(put(params, more)).rejects.toMatchObject({ name: 'ResourceFailure', message: expect.stringMatching(message) });
      expect(await registry.tags(repository)).toEqual([]);
      expect(existsSync(context.cacheDir) ? readdirSync(context.cacheDir) : []).toEqual([]);
    }); // prettier-ignore

    it('pushes nothing that a link leads out to', async () => {
      await layout('built', await makeImage([layer('one')]));
      const [manifest] = (readJson('built/index.json') as { manifests: { digest: string }[] }).manifests;
      const path = join(dir, 'built/blobs', manifest!.digest.replace(':', '/'));
      copyFileSync(path, join(base, 'secret'));
      rmSync(path);
      symlinkSync(join(base, 'secret'), path);
      await expect(put({ image: 'built' })).rejects.toThrow(/lacks sha256:/);
    });

    /** Changes (or removes) the last layer of the layout. */
    function corrupt(at: string, removes = false): void {
      const index = JSON.parse(readFileSync(join(at, 'built/index.json'), 'utf8')) as {
        manifests: { digest: string }[];
      };
      const blob = (digest: string) => join(at, 'built/blobs', digest.replace(':', '/'));
      const { layers } = JSON.parse(readFileSync(blob(index.manifests[0]!.digest), 'utf8')) as {
        layers: { digest: string }[];
      };
      const path = blob(layers.at(-1)!.digest);
      if (removes) rmSync(path);
      else writeFileSync(path, readFileSync(path).fill(0, 20, 21));
    }
  });

  describe('with credentials', () => {
    const at = (more: object = {}) => ({ repository: `${locked.host}/${repository}`, tag: 'latest', ...more });

    it('checks, gets and puts', async () => {
      const image = await makeImage([layer('locked')]);
      writeLayout(join(dir, 'built'), [image]);
      const { version } = await put({ image: 'built' }, at(login));
      expect(await check(at(login))).toEqual([version]);
      await get(version, {}, at(login));
      expect(read('rootfs/etc/text')).toBe('locked');
      expect(context.text()).not.toContain(login.password);
    });

    it('takes those of the params first', async () => {
      writeLayout(join(dir, 'built'), [await makeImage([layer('locked')])]);
      const wrong = at({ username: 'ada', password: 'old' });
      const { version } = await put({ image: 'built', ...login }, wrong);
      await get(version, { ...login }, wrong);
      await expect(check(wrong)).rejects.toThrow(/refuses the credentials/);
    });

    it('says what is missing or wrong', async () => {
      await expect(check(at())).rejects.toThrow(/wants credentials: set username and password/);
      await expect(check(at({ ...login, password: 'wrong-secret' }))).rejects.toMatchObject({
        name: 'ResourceFailure',
        message: expect.not.stringContaining('wrong-secret'),
      });
    });

    it('shows requests but no secrets when debugging', async () => {
      await locked.push(repository, 'latest', await makeImage([layer('x')]));
      await check(at({ ...login, debug: true }));
      expect(context.text()).toContain(`HEAD ${locked.host}/v2/${repository}/manifests/latest 200`);
      expect(context.text()).not.toContain(login.password);
    });
  });
});
