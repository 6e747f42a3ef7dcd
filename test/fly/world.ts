import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect } from '@jest/globals';
import { TeamServer } from '../support/team-server.js';
import { run, type Run } from './fly-binary.js';

/** Jobs that end by themselves, one that fails, one that waits, and one whose task has a container to look into. */
const PIPELINE = `
resource_types:
- {name: copy, type: mock, source: {mirror_self: true, initial_version: "9"}}
resources:
- {name: repo, type: mock, icon: git, source: {initial_version: "1", create_files: {hello: world}}, check_every: never}
jobs:
- name: build
  plan: [{get: repo}, {task: unit, config: &task {platform: linux, image_resource: {type: mock, source: {mirror_self: true}}, inputs: [{name: repo}], caches: [{path: deps}], run: {path: sh, args: [-c, cat repo/hello]}}}]
- name: bad
  plan: [{task: fails, config: {platform: linux, image_resource: {type: mock, source: {mirror_self: true}}, run: {path: sh, args: [-c, exit 7]}}}]
- name: slow
  plan: [{task: sleeps, config: {platform: linux, image_resource: {type: mock, source: {mirror_self: true}}, run: {path: sleep, args: ["300"]}}}]
`;
const TASK = `
platform: linux
image_resource: {type: mock, source: {mirror_self: true}}
inputs: [{name: src}]
outputs: [{name: made}]
run: {path: sh, args: [-c, 'echo "got $(cat src/file)"; cp src/file made/copy']}
`;

/** A server of its own, and the real `fly` with a home of its own that is logged in as `test`. */
export class FlyWorld {
  private constructor(
    private readonly fly: string,
    readonly server: TeamServer,
    readonly folder: string,
  ) {}

  static async start(fly: string): Promise<FlyWorld> {
    const server = await TeamServer.start({
      WEIR_ADD_LOCAL_USER: 'test:test,guest:guest',
      WEIR_MAIN_TEAM_LOCAL_USER: 'test',
      WEIR_RUNTIME: 'host',
    });
    const folder = await mkdtemp(path.join(os.tmpdir(), 'weir-fly-'));
    await writeFile(path.join(folder, 'pipeline.yml'), PIPELINE);
    await writeFile(path.join(folder, 'task.yml'), TASK);
    return new FlyWorld(fly, server, folder);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  get url(): string {
    return this.server.process.url;
  }

  /** One command against the target `t`; `input` is what a person would type. */
  async run(args: readonly string[], input?: string): Promise<Run> {
    const env = { PATH: process.env.PATH, HOME: this.folder, USERPROFILE: this.folder, TERM: 'dumb' };
    const given = { cwd: this.folder, env, ...(input === undefined ? {} : { input }) };
    return run(this.fly, ['-t', 't', ...args], given);
  }

  /** A command that must go well. @returns its output. */
  ok(...args: string[]): Promise<string> {
    return this.good(args);
  }

  /** As {@link ok}, for one that asks whether it is meant. */
  confirmed(...args: string[]): Promise<string> {
    return this.good(args, 'y\r');
  }

  private async good(args: readonly string[], input?: string): Promise<string> {
    const { code, out, err } = await this.run(args, input);
    expect([args.join(' '), code, code === 0 ? '' : out + err]).toEqual([args.join(' '), 0, '']);
    return out;
  }

  /** A command that must be refused. @returns all that it says. */
  async refused(...args: string[]): Promise<string> {
    const { code, out, err } = await this.run(args);
    expect([args.join(' '), code !== 0 && code !== null]).toEqual([args.join(' '), true]);
    return out + err;
  }

  async json<Value>(...args: string[]): Promise<Value> {
    return JSON.parse(await this.ok(...args, '--json')) as Value;
  }
}
