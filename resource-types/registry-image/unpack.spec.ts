import fc from 'fast-check';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { tarOf, type LayerEntry } from '../../test/support/image-maker.js';
import { applyLayers } from '../../test/support/image-model.js';
import { unpackLayers, type UnpackOptions } from './unpack.js';

const isRoot = process.getuid?.() === 0;
const folder = (name: string, more: Partial<LayerEntry> = {}): LayerEntry => ({ name, type: 'directory', ...more });
const link = (name: string, linkname: string): LayerEntry => ({ name, type: 'symlink', linkname });
const hardLink = (name: string, linkname: string): LayerEntry => ({ name, type: 'link', linkname });
const file = (name: string, text = name, more: Partial<LayerEntry> = {}): LayerEntry => ({ name, text, ...more });

/** A folder for the image beside one that must not be touched. */
class Place {
  readonly base = mkdtempSync(join(tmpdir(), 'weir-test-unpack-'));
  readonly root = join(this.base, 'root');
  readonly outside = join(this.base, 'outside');

  constructor() {
    mkdirSync(this.root);
    mkdirSync(this.outside, { mode: 0o755 });
    writeFileSync(join(this.outside, 'file'), 'untouched', { mode: 0o640 });
  }

  async unpack(layers: readonly (readonly LayerEntry[])[], options: Partial<UnpackOptions> = {}) {
    const tars = await Promise.all(layers.map(tarOf));
    return this.unpackBytes(tars, options);
  }

  async unpackBytes(tars: readonly Buffer[], options: Partial<UnpackOptions> = {}) {
    const open = tars.map(
      (tar) =>
        async function* () {
          yield tar;
        },
    );
    return unpackLayers(open, this.root, { signal: new AbortController().signal, ...options });
  }

  /** Everything in the root, following no link. */
  listing(folder = ''): Record<string, string> {
    const found: Record<string, string> = {};
    for (const name of readdirSync(join(this.root, folder))) {
      const path = join(folder, name);
      const place = join(this.root, path);
      const info = lstatSync(place);
      if (info.isDirectory()) Object.assign(found, { [path]: 'folder' }, this.listing(path));
      else found[path] = info.isSymbolicLink() ? `link ${readlinkSync(place)}` : `file ${readFileSync(place, 'utf8')}`;
    }
    return found;
  }

  /** Everything outside of the root, as it was made. */
  expectOutsideUntouched(): void {
    expect(readdirSync(this.base).toSorted()).toEqual(['outside', 'root']);
    expect(readdirSync(this.outside)).toEqual(['file']);
    const { mode, nlink } = statSync(join(this.outside, 'file'));
    expect({ mode: mode & 0o7777, nlink, text: readFileSync(join(this.outside, 'file'), 'utf8') }).toEqual({
      mode: 0o640,
      nlink: 1,
      text: 'untouched',
    });
    expect(statSync(this.outside).mode & 0o7777).toBe(0o755);
  }

  remove(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}

describe('unpackLayers', () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => {
    try {
      place.expectOutsideUntouched();
    } finally {
      place.remove();
    }
  });

  it('puts upper layers over lower ones', async () => {
    const summary = await place.unpack([
      [folder('./'), folder('etc/'), file('etc/one', 'lower'), file('etc/two')],
      [file('etc/one', 'upper'), link('bin', 'usr/bin'), hardLink('etc/three', 'etc/two')],
    ]);
    expect(place.listing()).toEqual({
      etc: 'folder',
      'etc/one': 'file upper',
      'etc/two': 'file etc/two',
      'etc/three': 'file etc/two',
      bin: 'link usr/bin',
    });
    expect(statSync(join(place.root, 'etc/two')).ino).toBe(statSync(join(place.root, 'etc/three')).ino);
    expect(summary).toMatchObject({ entries: 7, skippedDevices: 0 });
  });

  it.each([
    ['a whiteout removes a file', [file('a/x'), file('a/y')], [file('a/.wh.x', '')], { 'a/y': 'file a/y' }],
    [
      'a whiteout removes a folder with all in it',
      [file('a/b/x'), file('a/y')],
      [file('a/.wh.b', '')],
      { 'a/y': 'file a/y' },
    ],
    [
      'an opaque whiteout hides all that lower layers brought',
      [file('a/x'), file('a/b/y')],
      [file('a/.wh..wh..opq', '')],
      {},
    ],
    [
      'an opaque whiteout leaves what its own layer brought before it',
      [file('a/x'), file('a/b/y')],
      [file('a/new'), file('a/b/new'), file('a/.wh..wh..opq', '')],
      { 'a/b': 'folder', 'a/b/new': 'file a/b/new', 'a/new': 'file a/new' },
    ],
    [
      'an opaque whiteout leaves what its own layer brings after it',
      [file('a/x'), file('a/b/y')],
      [file('a/.wh..wh..opq', ''), file('a/new'), file('a/b/new')],
      { 'a/b': 'folder', 'a/b/new': 'file a/b/new', 'a/new': 'file a/new' },
    ],
    [
      'a whiteout of nothing is nothing',
      [file('a/x')],
      [file('b/.wh.x', ''), file('a/.wh.z', '')],
      { 'a/x': 'file a/x' },
    ],
    [
      'old bookkeeping of storage drivers is left out',
      [file('a/x')],
      [file('.wh..wh.plnk/1.2', '')],
      { 'a/x': 'file a/x' },
    ],
  ])('%s', async (_title, lower, upper, expected) => {
    await place.unpack([lower, upper]);
    expect(place.listing()).toEqual({ a: 'folder', ...expected });
  });

  it('keeps what a whiteout of the same layer names', async () => {
    await place.unpack([[file('x', 'lower')], [file('x', 'new'), file('.wh.x', '')]]);
    expect(place.listing()).toEqual({ x: 'file new' });
  });

  it.each<[string, LayerEntry[], LayerEntry[], Record<string, string> | undefined]>([
    ['a file by a folder', [file('x')], [file('x/y')], undefined],
    ['a file by a folder of its own', [file('x')], [folder('x'), file('x/y')], { x: 'folder', 'x/y': 'file x/y' }],
    ['a folder by a file', [file('x/y/z')], [file('x')], { x: 'file x' }],
    ['a link by a folder', [link('x', '/a')], [folder('x')], { x: 'folder' }],
    ['a folder by a link', [file('x/y')], [link('x', 'z')], { x: 'link z' }],
    ['a file by a device', [file('x')], [{ name: 'x', type: 'character-device' }], {}],
  ])('replaces %s', async (_title, lower, upper, expected) => {
    if (expected === undefined) {
      await expect(place.unpack([lower, upper])).rejects.toThrow(/needs a folder where a file stands/);
      return;
    }
    await place.unpack([lower, upper]);
    expect(place.listing()).toEqual(expected);
  });

  it('keeps modes and times, those of folders too, whatever is done in them later', async () => {
    const mtime = new Date(1_500_000_000_000);
    await place.unpack([
      [
        folder('locked', { mode: 0o555, mtime }),
        folder('tmp', { mode: 0o1777 }),
        file('run', '', { mode: 0o755, mtime }),
      ],
      [file('locked/late'), { ...link('lnk', 'run'), mtime }],
    ]);
    const modeOf = (path: string) => statSync(join(place.root, path)).mode & 0o7777;
    expect(modeOf('locked')).toBe(isRoot ? 0o555 : 0o755);
    expect(modeOf('tmp')).toBe(0o1777);
    expect(modeOf('run')).toBe(0o755);
    for (const path of ['locked', 'run', 'lnk']) expect(lstatSync(join(place.root, path)).mtime).toEqual(mtime);
  });

  it('keeps modes whatever the umask of the server is', async () => {
    const before = process.umask(0o077);
    try {
      await place.unpack([[file('open', '', { mode: 0o666 }), file('a/closed', '', { mode: 0o600 })]]);
    } finally {
      process.umask(before);
    }
    const modes = ['open', 'a', 'a/closed'].map((path) => statSync(join(place.root, path)).mode & 0o777);
    expect(modes).toEqual([0o666, 0o755, 0o600]);
  });

  it('drops owners and set-user bits when told so, and leaves everything readable for the owner', async () => {
    const more = { uid: 4321, gid: 4321 };
    await place.unpack(
      [
        [
          folder('d', { mode: 0o010, ...more }),
          file('su', '', { mode: 0o4755, ...more }),
          file('shadow', '', { mode: 0o010, ...more }),
        ],
      ],
      { keepsOwners: false },
    );
    const facts = ['d', 'su', 'shadow'].map((name) => statSync(join(place.root, name)));
    expect(facts.map(({ mode }) => mode & 0o7777)).toEqual([0o710, 0o755, 0o410]);
    expect(facts.map(({ uid }) => uid)).toEqual(Array(3).fill(process.getuid!()));
  });

  (isRoot ? it : it.skip)('as root keeps owners and set-user bits', async () => {
    const big = { pax: { uid: '3000000', gid: '3000000' } };
    await place.unpack([
      [
        file('su', '', { mode: 0o4755, uid: 12, gid: 34 }),
        folder('d', { uid: 56, gid: 78 }),
        file('big', '', big),
        { ...link('l', 'x'), uid: 9 },
      ],
    ]);
    const of = (name: string) => lstatSync(join(place.root, name));
    expect([of('su').mode & 0o7777, of('su').uid, of('su').gid]).toEqual([0o4755, 12, 34]);
    expect([of('d').uid, of('d').gid, of('big').uid, of('l').uid]).toEqual([56, 78, 3_000_000, 9]);
  });

  it('makes no devices and no pipes, and counts them', async () => {
    const kinds = ['character-device', 'block-device', 'fifo'] as const;
    const summary = await place.unpack([kinds.map((type) => ({ name: `dev/${type}`, type }))]);
    expect(summary.skippedDevices).toBe(3);
    expect(place.listing()).toEqual({ dev: 'folder' });
  });

  it('keeps long and foreign names', async () => {
    const long = `${'d'.repeat(120)}/${'e'.repeat(120)}/ä—名`;
    await place.unpack([[file(long, 'x'), link('l', long)]]);
    expect(readFileSync(join(place.root, long), 'utf8')).toBe('x');
    expect(readlinkSync(join(place.root, 'l'))).toBe(long);
  });

  describe('lets no hostile layer out', () => {
    const outside = () => place.outside;

    it.each<[string, () => LayerEntry[], RegExp]>([
      ['a path with ..', () => [file('../outside/file', 'evil')], /leads out of the image/],
      ['a path with .. in the middle', () => [file('a/../../outside/file', 'evil')], /leads out of the image/],
      ['a folder with ..', () => [folder('../outside', { mode: 0o777 })], /leads out of the image/],
      ['a whiteout with ..', () => [file('../outside/.wh.file', '')], /leads out of the image/],
      ['a whiteout of ..', () => [folder('a'), file('a/.wh...', '')], /hides no name/],
      ['a whiteout of .', () => [folder('a'), file('a/.wh..', '')], /hides no name/],
      ['a whiteout of nothing', () => [file('.wh.', '')], /hides no name/],
      ['a hard link with ..', () => [hardLink('a', '../outside/file')], /leads out of the image/],
      ['a hard link to a path outside', () => [hardLink('a', join(outside(), 'file'))], /there is no .* to link to/],
      [
        'a hard link through a link',
        () => [link('l', outside()), hardLink('a', 'l/file')],
        /there is no .* to link to/,
      ],
      ['a hard link to a folder', () => [folder('d'), hardLink('a', 'd')], /is a folder/],
      ['a hard link in place of the folder of its target', () => [file('d/x'), hardLink('d', 'd/x')], /would replace/],
      ['links in a circle', () => [link('a', 'b'), link('b', 'a'), file('a/x')], /too many links/],
      ['a name that is too long', () => [file('n'.repeat(300))], /ENAMETOOLONG/],
      ['a path that is too long', () => [file(Array(25).fill('d'.repeat(200)).join('/'))], /ENAMETOOLONG/],
      ['a link as the root', () => [link('./', outside())], /root must be a folder/],
      ['a file as the root', () => [file('.', 'x')], /root must be a folder/],
      ['a sparse file', () => [file('x', 'x', { pax: { 'GNU.sparse.size': '100' } })], /sparse/],
      ['an owner that is no number', () => [file('x', 'x', { pax: { uid: 'root' } })], /owner is not valid/],
    ])('refuses %s', async (_title, entries, message) => {
      await expect(place.unpack([entries()])).rejects.toMatchObject({
        name: 'ResourceFailure',
        message: expect.stringMatching(message),
      });
    });

    it('takes absolute names from the root on', async () => {
      await place.unpack([[file(join(outside(), 'file'), 'mine'), file('/etc/x')]]);
      expect(readFileSync(join(place.root, outside(), 'file'), 'utf8')).toBe('mine');
      expect(place.listing()['etc/x']).toBe('file /etc/x');
    });

    it.each([
      ['an absolute link', () => outside()],
      ['a relative link', () => '../outside'],
      ['a link with many ..', () => `${'../'.repeat(30)}${outside().slice(1)}`],
    ])('writes through %s only inside', async (_title, target) => {
      await place.unpack([[link('l', target())], [file('l/file', 'evil'), file('l/more', 'evil')]]);
      expect(lstatSync(join(place.root, 'l')).isSymbolicLink()).toBe(true);
      place.expectOutsideUntouched();
    });

    it('replaces a link instead of writing through it', async () => {
      await place.unpack([[link('l', join(outside(), 'file'))], [file('l', 'mine')]]);
      expect(place.listing()).toEqual({ l: 'file mine' });
    });

    it('writes to no file that another name links to', async () => {
      await place.unpack([[file('one', 'first'), hardLink('two', 'one')], [file('two', 'second')]]);
      expect(place.listing()).toEqual({ one: 'file first', two: 'file second' });
    });

    it('hides nothing through a link that leads out', async () => {
      await place.unpack([[link('l', outside())], [file('l/.wh.file', ''), file('l/.wh..wh..opq', '')]]);
      expect(place.listing()).toEqual({ l: `link ${outside()}` });
    });

    it('removes a link and not what it leads to', async () => {
      await place.unpack([
        [link('l', outside()), file('x')],
        [file('.wh.l', ''), file('.wh.x', '')],
      ]);
      expect(place.listing()).toEqual({});
    });

    it('sets no mode of a folder that has become a link', async () => {
      await place.unpack([
        [folder('a/b', { mode: 0o777 }), folder('a/outside', { mode: 0o777 })],
        [link('a', place.base)],
      ]);
      expect(place.listing()).toEqual({ a: `link ${place.base}` });
    });

    it('follows a link that has become a folder no more', async () => {
      await place.unpack([
        [link('l', 'd'), file('l/one')],
        [folder('l'), file('l/two')],
      ]);
      expect(place.listing()).toEqual({ d: 'folder', 'd/one': 'file l/one', l: 'folder', 'l/two': 'file l/two' });
    });

    it('refuses more entries than allowed', async () => {
      const many = Array.from({ length: 101 }, (_, index) => file(`f${index}`, ''));
      await expect(place.unpack([many.slice(0, 51), many.slice(51)], { maxEntries: 100 })).rejects.toThrow(
        /more than 100 entries/,
      );
    });

    it('refuses more bytes than allowed', async () => {
      const big = [file('zeros', '\0'.repeat(100_000))];
      await expect(place.unpack([big], { maxBytes: 50_000 })).rejects.toThrow(/bigger than 50000 bytes/);
    });

    it('refuses a tar that is cut off, and bytes that are none', async () => {
      const whole = await tarOf([file('x', 'x'.repeat(5000))]);
      await expect(place.unpackBytes([whole.subarray(0, 3000)])).rejects.toMatchObject({ name: 'ResourceFailure' });
      await expect(place.unpackBytes([Buffer.alloc(2000, 'no tar ')])).rejects.toMatchObject({
        name: 'ResourceFailure',
      });
    });
  });

  it('stops in the middle of a file when it is aborted', async () => {
    const stop = new AbortController();
    const whole = await tarOf([file('x', 'x'.repeat(100_000))]);
    const hanging = async function* () {
      yield whole.subarray(0, 50_000);
      setImmediate(() => stop.abort(new Error('stopped')));
      await new Promise(() => undefined);
    };
    await expect(unpackLayers([hanging], place.root, { signal: stop.signal })).rejects.toThrow('stopped');
  });
});

describe('property: unpacking equals applying the layers to a tree in memory', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
  const target = fc.oneof(
    path,
    path.map((text) => `/${text}`),
    path.map((text) => `../${text}`),
    fc.constantFrom('../..', '/', '../outside'),
  );
  const entry: fc.Arbitrary<LayerEntry> = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(path, fc.constantFrom('1', '2', '3')).map(([at, text]) => file(at, text)) },
    { weight: 2, arbitrary: path.map((at) => folder(at)) },
    { weight: 2, arbitrary: fc.tuple(path, target).map(([at, to]) => link(at, to)) },
    { weight: 1, arbitrary: fc.tuple(path, path).map(([at, to]) => hardLink(at, to)) },
    { weight: 2, arbitrary: path.map((at) => file(at.replace(/[^/]+$/, '.wh.$&'), '')) },
    { weight: 1, arbitrary: path.map((at) => file(`${at}/.wh..wh..opq`, '')) },
  );
  const layers = fc.array(fc.array(entry, { maxLength: 8 }), { minLength: 1, maxLength: 3 });

  it('or refusing them where it does', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(layers, async (image) => {
        const place = new Place();
        try {
          let expected: Record<string, string> | undefined;
          try {
            expected = applyLayers(image);
          } catch {
            expected = undefined;
          }
          const outcome = await place.unpack(image).then(
            () => place.listing(),
            (error: Error) => (error.name === 'ResourceFailure' ? undefined : error),
          );
          expect(outcome).toEqual(expected);
          if (expected !== undefined) accepted++;
          place.expectOutsideUntouched();
          expect(existsSync(place.root)).toBe(true);
        } finally {
          place.remove();
        }
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(50);
  }, 60_000);
});
