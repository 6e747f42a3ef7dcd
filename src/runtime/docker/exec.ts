import Docker from 'dockerode';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { PassThrough, type Duplex } from 'node:stream';
import { NotFoundError } from '../../platform/index.js';
import { ExecutableNotFound, type ExecSession, type ExecSpec, type WindowSize } from '../port.js';
import { hasStatus } from './daemon.js';

/** On containers and images that stand in for a step that is over: the name of its container. */
const STANDS_FOR = 'weir.stands-for';

/**
 * Runs a command in a step's container; in a copy of it with the same volumes when the step is over.
 * @param viewsOf what such a copy mounts besides
 */
export async function execInContainer(
  docker: Docker,
  name: string,
  spec: ExecSpec,
  viewsOf: (info: Docker.ContainerInspectInfo) => Promise<Docker.MountSettings[]>,
): Promise<ExecSession> {
  const info = await docker
    .getContainer(name)
    .inspect()
    .catch((error: unknown) => {
      if (hasStatus(error, 404)) throw new NotFoundError('the container of the step is gone');
      throw error;
    });
  if (info.State.Running) return execInRunning(docker, info, spec);
  return execInCopy(docker, info, spec, await viewsOf(info));
}

/** Whether somebody looks around in a stand-in of the step. */
export async function hasStandIns(docker: Docker, name: string): Promise<boolean> {
  return (await docker.listContainers({ all: true, filters: standsFor(name) })).length > 0;
}

/** Removes the stand-ins of a step, whoever made them. Before its own container, whose volumes they use. */
export async function removeStandIns(docker: Docker, name: string): Promise<void> {
  const filters = standsFor(name);
  const [containers, images] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listImages({ filters }),
  ]);
  for (const { Id } of containers) {
    await ignoringGone(docker.getContainer(Id).remove({ force: true, v: true }));
  }
  for (const { Id } of images) await ignoringGone(docker.getImage(Id).remove());
}

const standsFor = (name: string): { label: string[] } => ({ label: [`${STANDS_FOR}=${name}`] });

async function execInRunning(docker: Docker, info: Docker.ContainerInspectInfo, spec: ExecSpec): Promise<ExecSession> {
  const container = docker.getContainer(info.Id);
  const [command = ''] = spec.argv;
  await demandExecutable(container, command, spec);
  // Docker has no way to end what it executes: a mark in the environment is how it is found again.
  const mark = randomUUID();
  const exec = await container.exec({
    Cmd: [...spec.argv],
    Env: [...environment(spec), `WEIR_EXEC=${mark}`],
    ...placeOf(spec),
    Tty: spec.tty !== undefined,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: spec.tty !== undefined });
  const resize = async ({ columns, rows }: WindowSize): Promise<void> => {
    await exec.resize({ h: rows, w: columns }).catch(() => undefined); // it is over
  };
  if (spec.tty) await resize(spec.tty);
  const exitCode = async (): Promise<number> => {
    for (let { Running, ExitCode } = await exec.inspect(); ; { Running, ExitCode } = await exec.inspect()) {
      if (!Running) return ExitCode ?? 255;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return sessionOf(docker, stream, spec, {
    exitCode,
    resize,
    close: async () => {
      await killMarked(container, mark).catch(() => undefined); // with its container the session is over, too
      stream.destroy();
    },
  });
}

/** A shell in the container looks for the mark in every environment; a container without one cannot have been shelled into. */
async function killMarked(container: Docker.Container, mark: string): Promise<void> {
  const script =
    'for e in /proc/[0-9]*/environ; do p=${e#/proc/}; p=${p%/environ}; ' +
    '[ "$p" != "$$" ] && grep -q "WEIR_EXEC=$0" "$e" 2>/dev/null && kill -9 "$p"; done';
  await outcomeOf(container, ['/bin/sh', '-c', script, mark], 'root');
}

/** @throws ExecutableNotFound when the container's shell says so; without a shell Docker itself will tell. */
async function demandExecutable(container: Docker.Container, command: string, spec: ExecSpec): Promise<void> {
  const code = await outcomeOf(
    container,
    ['/bin/sh', '-c', 'command -v "$0" >/dev/null || exit 44', command],
    spec.user,
  );
  if (code === 44) throw new ExecutableNotFound(command);
}

async function outcomeOf(container: Docker.Container, argv: readonly string[], user?: string): Promise<number> {
  const exec = await container.exec({
    Cmd: [...argv],
    AttachStdout: true,
    AttachStderr: true,
    ...(user === undefined ? {} : { User: user }),
  });
  const stream = await exec.start({});
  stream.resume();
  await new Promise<void>((resolve) =>
    stream
      .once('close', resolve)
      .once('end', resolve)
      .once('error', () => resolve()),
  );
  return (await exec.inspect()).ExitCode ?? 255;
}

async function execInCopy(
  docker: Docker,
  info: Docker.ContainerInspectInfo,
  spec: ExecSpec,
  views: Docker.MountSettings[],
): Promise<ExecSession> {
  const name = info.Name.replace(/^\//, '');
  await demandFile(docker.getContainer(info.Id), info.Config, spec);
  const label = `${STANDS_FOR}=${name}`;
  const image = (await docker.getContainer(info.Id).commit({ pause: false, changes: `LABEL ${label}` })) as {
    Id: string;
  };
  let container: Docker.Container | undefined;
  const discard = async (): Promise<void> => {
    if (container) await ignoringGone(container.remove({ force: true, v: true }));
    await ignoringGone(docker.getImage(image.Id).remove());
  };
  try {
    container = await docker.createContainer(copyOptions(info, image.Id, spec, views));
    const stream = (await container.attach({
      ...{ stream: true, stdin: true, stdout: true, stderr: true },
      hijack: true,
    })) as Duplex;
    await container.start();
    const copy = container;
    const resize = async ({ columns, rows }: WindowSize): Promise<void> => {
      await copy.resize({ h: rows, w: columns }).catch(() => undefined); // it is over
    };
    if (spec.tty) await resize(spec.tty);
    return sessionOf(docker, stream, spec, {
      exitCode: async () => {
        const { StatusCode } = (await copy.wait()) as { StatusCode: number };
        await discard();
        return StatusCode;
      },
      resize,
      close: async () => {
        stream.destroy();
        await discard();
      },
    });
  } catch (error) {
    await discard();
    const missing = /executable file not found|no such file or directory/i.test(String((error as Error).message));
    if (missing && hasStatus(error, 400, 404, 500)) throw new ExecutableNotFound(spec.argv[0] ?? '');
    throw error;
  }
}

/** The init of a container would only write its complaint among what the command says. @throws ExecutableNotFound */
async function demandFile(
  container: Docker.Container,
  { Env }: Docker.ContainerInspectInfo['Config'],
  { argv: [command = ''], dir }: ExecSpec,
): Promise<void> {
  const search = Env.find((pair) => pair.startsWith('PATH='))?.slice('PATH='.length) ?? '/usr/bin:/bin';
  const isPath = command.includes('/');
  // A path that is relative to who knows which folder is left to the container.
  if (isPath && !command.startsWith('/') && dir === undefined) return;
  const places = isPath
    ? [path.posix.resolve(dir ?? '/', command)]
    : search.split(':').map((each) => `${each}/${command}`);
  for (const place of places) {
    const found: unknown = await container.infoArchive({ path: place }).catch((error: unknown) => {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    });
    if (found !== undefined) return;
  }
  throw new ExecutableNotFound(command);
}

function copyOptions(
  { Id, Name, Config, HostConfig }: Docker.ContainerInspectInfo,
  image: string,
  spec: ExecSpec,
  Mounts: Docker.MountSettings[],
): Docker.ContainerCreateOptions {
  return {
    Image: image,
    Entrypoint: spec.argv.slice(0, 1),
    Cmd: spec.argv.slice(1),
    Env: [...Config.Env, ...environment(spec)],
    WorkingDir: spec.dir ?? Config.WorkingDir,
    User: spec.user ?? Config.User,
    Tty: spec.tty !== undefined,
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Labels: { [STANDS_FOR]: Name.slice(1) },
    HostConfig: {
      VolumesFrom: [Id],
      Mounts,
      Init: true,
      ...(HostConfig.NetworkMode === 'none' ? { NetworkMode: 'none' } : {}),
      ...(HostConfig.Privileged ? { Privileged: true } : {}),
      ...(HostConfig.Memory ? { Memory: HostConfig.Memory, MemorySwap: HostConfig.Memory } : {}),
    },
  };
}

function environment({ env }: ExecSpec): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

function placeOf({ dir, user }: ExecSpec): { WorkingDir?: string; User?: string } {
  return { ...(dir === undefined ? {} : { WorkingDir: dir }), ...(user === undefined ? {} : { User: user }) };
}

function sessionOf(
  docker: Docker,
  stream: Duplex,
  spec: ExecSpec,
  rest: { exitCode(): Promise<number> } & Pick<ExecSession, 'resize' | 'close'>,
): ExecSession {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  if (spec.tty) stream.pipe(stdout);
  else
    (docker.modem as { demuxStream(from: Duplex, out: PassThrough, err: PassThrough): void }).demuxStream(
      stream,
      stdout,
      stderr,
    );
  const exit = new Promise<number>((resolve, reject) => {
    let code: Promise<number> | undefined;
    const over = (): void => {
      stdout.end();
      stderr.end();
      code ??= rest.exitCode();
      code.then(resolve, reject);
    };
    stream.once('end', over).once('close', over);
    stream.on('error', () => stream.destroy());
  });
  exit.catch(() => undefined); // whoever waits hears it
  return { stdin: stream, stdout, stderr, exit, resize: rest.resize, close: rest.close };
}

async function ignoringGone(removal: Promise<unknown>): Promise<void> {
  await removal.catch((error: unknown) => {
    if (!hasStatus(error, 404, 409)) throw error; // gone, or just going
  });
}
