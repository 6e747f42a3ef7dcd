import { mkdtempSync, readdirSync, readFileSync, readlinkSync, lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { registryImage } from '../../resource-types/registry-image/index.js';
import type { BuildTracker } from '../../src/builds/index.js';

import { HostRuntime, probeIsolation } from '../../src/runtime/index.js';
import { removeTree } from '../../src/runtime/files.js';
import { outputLines, stepNames } from '../support/build-scenarios.js';
import { hasBusybox, makeBusyboxRoot } from '../support/docker-daemon.js';
import { EngineWorld } from '../support/engine-world.js';
import { makeImage, type LayerEntry } from '../support/image-maker.js';
import { hasRegistry, TestRegistry } from '../support/registry.js';

const trial = mkdtempSync(path.join(tmpdir(), 'weir-trial-'));
const { kind } = await probeIsolation(trial, 'preferred');
await removeTree(trial);
const canRun = hasRegistry() && hasBusybox() && kind !== 'none';
if (!canRun) console.warn(`SKIPPED: builds in sandboxes need docker-registry, busybox-static and a sandbox (${kind})`);
const suite = canRun ? describe : describe.skip;

/** Busybox as a layer. */
async function busyboxLayer(): Promise<LayerEntry[]> {
  const root = mkdtempSync(path.join(tmpdir(), 'weir-busybox-'));
  makeBusyboxRoot(root);
  const entries = ['bin', 'etc'].flatMap((dir): LayerEntry[] => [
    { name: dir, type: 'directory', mode: 0o755 },
    ...readdirSync(path.join(root, dir)).map((name): LayerEntry => {
      const file = path.join(root, dir, name);
      return lstatSync(file).isSymbolicLink()
        ? { name: `${dir}/${name}`, type: 'symlink', linkname: readlinkSync(file) }
        : { name: `${dir}/${name}`, mode: 0o755, text: readFileSync(file) };
    }),
  ]);
  await removeTree(root);
  return entries;
}

suite('a build on a machine without Docker', () => {
  let world: EngineWorld;
  let registry: TestRegistry;
  let engine: BuildTracker;
  beforeAll(async () => {
    [world, registry] = await Promise.all([EngineWorld.create(), TestRegistry.start()]);
    const layers = [
      await busyboxLayer(),
      [{ name: 'release', text: 'first' }],
      [{ name: 'bin/.wh.wget', text: '' }],
    ] as const;
    const config = { Env: ['PATH=/bin', 'OF_IMAGE=yes'], User: 'guest' };
    await registry.push('tools/busybox', 'latest', await makeImage(layers, { config }));
    const isolation = await probeIsolation(world.folder, 'required');
    const runtime = new HostRuntime(world.folder, world.artifacts, isolation);
    engine = world.engine(1, { runtime, resourceTypes: { 'registry-image': registryImage } });
    engine.start();
  });
  afterAll(async () => {
    await engine.stop();
    await Promise.all([world.close(), registry.stop()]);
  });

  it('pulls the image of a task from a registry and runs the task in it, as its user, on real inputs', async () => {
    const image = `{type: registry-image, source: {repository: ${registry.host}/tools/busybox, tag: latest}}`;
    const task = (name: string, script: string, more: string): string =>
      `{task: ${name}, config: {platform: linux, image_resource: ${image}, run: {path: sh, args: [-ec, ${JSON.stringify(script)}]}${more}}}`;
    const made = await world.start(
      await world.pipeline(`jobs: [{name: j, plan: [
        ${task('make', 'cat /release; echo " $OF_IMAGE"; id -un; [ ! -e /bin/wget ] && echo made > out/f', ', outputs: [{name: out}]')},
        ${task('read', 'cat out/f; echo more >> out/f; [ ! -e /home/step ]', ', inputs: [{name: out}]')}]}]`),
    );
    expect(await world.finished(made.id)).toBe('succeeded');
    const events = await world.events(made.id);
    expect(outputLines(events, stepNames(made.plan, events)).filter((line) => /^(make|read): /.test(line))).toEqual([
      'make: first yes',
      'make: guest',
      'read: made',
    ]);
  }, 60_000);
});
