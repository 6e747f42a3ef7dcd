import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { ApiServer } from '../support/api-server.js';
import { CliRunner } from '../support/cli-runner.js';
import { eventually } from '../support/eventually.js';

let server: ApiServer;
let folder: string;
let cli: CliRunner;
beforeAll(async () => {
  server = await ApiServer.start({ runtime: 'host' });
  folder = await mkdtemp(path.join(os.tmpdir(), 'weir-execute-'));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  cli = new CliRunner();
  cli.env['WEIR_TARGET_URL'] = server.url;
  cli.env['WEIR_TOKEN'] = server.token;
});

const hasScript = process.platform === 'linux' && existsSync('/usr/bin/script');

/** A folder with these files. */
async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(path.join(folder, 'd-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), text);
  }
  return dir;
}

async function taskFile(script: string, more: Record<string, unknown> = {}): Promise<string> {
  const file = path.join(await mkdtemp(path.join(folder, 't-')), 'task.yml');
  await writeFile(
    file,
    JSON.stringify({ platform: process.platform, run: { path: 'sh', args: ['-ec', script, 'sh'] }, ...more }),
  );
  return file;
}

describe('weir execute', () => {
  it('runs a task with folders of this machine, fetches its outputs and exits as it did', async () => {
    const src = await folderOf({ 'a/b.txt': 'from here' });
    const out = path.join(folder, 'fetched/deep');
    const file = await taskFile('cat src/a/b.txt > out/copy; echo "((what)) $NAME $1"; exit 3', {
      inputs: [{ name: 'src' }],
      outputs: [{ name: 'out' }],
      params: { NAME: 'nobody' },
    });
    cli.env['NAME'] = 'somebody';
    const argv = ['-c', file, '-i', `src=${src}`, '-o', `out=${out}`, '-v', 'what=hello'];
    const { code, out: said, err } = await cli.run('execute', ...argv, '--', 'more');
    expect([code, err]).toEqual([3, '']);
    expect(said).toMatch(/^executing build \d+ at http/);
    expect(said).toContain('hello somebody more\n');
    expect(await readFile(path.join(out, 'copy'), 'utf8')).toBe('from here');
    const again = await cli.run('e', ...argv);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('is not empty')]);
  });

  it('sends what git knows or would add, and all of it if asked', async () => {
    const src = await folderOf({ '.gitignore': 'ignored\n', tracked: '1', 'sub/new': '2', ignored: '3', gone: '4' });
    const git = (...args: string[]): Buffer => execFileSync('git', args, { cwd: src, stdio: 'pipe' });
    git('init', '-q');
    git('add', 'tracked', 'gone', '.gitignore');
    await rm(path.join(src, 'gone'));
    const file = await taskFile(
      'cd src; find . -type f -not -path "./.git/*" | sort; [ -d .git ] && echo git || true',
      {
        inputs: [{ name: 'src' }],
      },
    );
    const some = await cli.run('execute', '-c', file, '-i', `src=${src}`);
    expect([some.code, some.out]).toEqual([0, expect.stringContaining('./.gitignore\n./sub/new\n./tracked\n')]);
    expect(some.out).not.toMatch(/ignored$|^git$/m);
    const all = await cli.run('execute', '-c', file, '-i', `src=${src}`, '--include-ignored');
    expect(all.out).toContain('./.gitignore\n./ignored\n./sub/new\n./tracked\ngit\n');
  });

  it('takes inputs as a job would get them', async () => {
    const pipeline = '/api/v1/teams/main/pipelines/p';
    await server.ask('PUT', `${pipeline}/config`, {
      resources: [
        { name: 'mock', type: 'mock', source: { initial_version: '7', create_files: { hello: 'from the job' } } },
      ],
      jobs: [{ name: 'j', plan: [{ get: 'mock' }] }],
    });
    await server.ask('PUT', `${pipeline}/unpause`);
    await eventually('the inputs of the job', async () => (await server.fetch('GET', `${pipeline}/jobs/j/inputs`)).ok);
    const file = await taskFile('cat repo/hello', { inputs: [{ name: 'repo' }] });
    const run = await cli.run('execute', '-c', file, '-j', 'p/j', '-m', 'repo=mock');
    expect([run.code, run.out]).toEqual([0, expect.stringContaining('from the job')]);
    const wrong = await cli.run('execute', '-c', file, '-j', 'p/j', '-m', 'repo=moc');
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('did you mean "mock"')]);
  });

  it('takes inputs of a type that is an image, as fly does and as we do', async () => {
    const pipeline = '/api/v1/teams/main/pipelines/typed';
    const source = { initial_version: '7', create_files: { hello: 'of a type of its own' } };
    await server.ask('PUT', `${pipeline}/config`, {
      resource_types: [{ name: 'own', type: 'mock', source: { mirror_self: true } }],
      resources: [{ name: 'typed', type: 'own', source }],
      jobs: [{ name: 'j', plan: [{ get: 'typed' }] }],
    });
    await server.ask('PUT', `${pipeline}/unpause`);
    await eventually('the inputs of the job', async () => (await server.fetch('GET', `${pipeline}/jobs/j/inputs`)).ok);
    const file = await taskFile('cat typed/hello', { inputs: [{ name: 'typed' }] });
    const run = await cli.run('execute', '-c', file, '-j', 'typed/j');
    expect([run.code, run.out]).toEqual([0, expect.stringContaining('of a type of its own')]);

    const image = (base: string, get?: object) => ({ base_type: base, ...(get ? { get_plan: { id: 'x', get } } : {}) });
    const type = { name: 'own', type: 'mock', source: { mirror_self: true }, version_from: 'y', image: image('mock') };
    const posted = {
      id: '1',
      do: [
        { id: '2', get: { name: 'typed', type: 'own', source, version: { version: '7' }, image: image('mock', type) } },
        { id: '3', task: { name: 'one-off', config: JSON.parse(await readFile(file, 'utf8')) as unknown } },
      ],
    };
    const { id } = await server.ask<{ id: number }>('POST', '/api/v1/teams/main/builds', posted);
    const watched = await cli.run('watch', '-b', String(id));
    expect([watched.code, watched.out]).toEqual([0, expect.stringContaining('of a type of its own')]);
  });

  it('says before it sends anything what cannot be', async () => {
    const file = await taskFile('true', { inputs: [{ name: 'one' }, { name: 'two' }], outputs: [{ name: 'out' }] });
    const refusal = async (...argv: string[]): Promise<string> => (await cli.run('execute', '-c', file, ...argv)).err;
    expect(await refusal('-i', `one=${folder}`)).toContain("missing required input 'two'");
    expect(await refusal('-i', 'thre=.')).toContain("unknown input 'thre'");
    expect(await refusal('-o', 'outt=x')).toContain("unknown output 'outt'; did you mean");
    expect(await refusal('-i', `one=${folder}/none`, '-i', 'two=.')).toContain("the folder of input 'one'");
    expect((await cli.run('execute', '-c', `${folder}/none.yml`)).err).toContain('there is no such file');
  });

  it('aborts its build on Ctrl-C and tells how it ended', async () => {
    const file = await taskFile('echo begun; exec sleep 60');
    const running = cli.run('execute', '-c', file);
    await eventually('the build', async () => {
      const rows = await server.database.db.query(`select from build_events where data->>'payload' like 'begun%'`);
      return rows.length > 0;
    });
    cli.interruption.abort();
    const { code, err } = await running;
    expect([code, err]).toEqual([3, expect.stringContaining('aborting the build')]);
  });
});

describe('weir intercept', () => {
  async function failedBuild(): Promise<string> {
    const plan = (id: string, name: string, script: string): unknown => ({
      id,
      task: { name, config: { platform: process.platform, run: { path: 'sh', args: ['-ec', script] } } },
    });
    const steps = { steps: [plan('2', 'one', 'echo 1 > n; exit 1'), plan('3', 'two', 'echo 2 > n; exit 1')] };
    const { id } = await server.ask<{ id: number }>('POST', '/api/v1/teams/main/builds', {
      id: '1',
      in_parallel: steps,
    });
    await eventually(
      'the end',
      async () => (await server.ask<{ end_time?: number }>('GET', `/api/v1/builds/${id}`)).end_time,
    );
    return String(id);
  }

  /** Somebody at a keyboard, and what they see. */
  function person(typed = ''): { readonly input: PassThrough; readonly read: () => string } {
    const [input, output, error] = [new PassThrough(), new PassThrough(), new PassThrough()];
    let seen = '';
    for (const stream of [output, error]) stream.on('data', (bytes: Buffer) => (seen += bytes.toString()));
    cli.console = { input, output, error };
    input.write(typed);
    return { input, read: () => seen };
  }

  it('runs a command in the step that was chosen, with its input, and exits as the command does', async () => {
    const build = await failedBuild();
    const { input, read } = person('typed\n');
    input.end();
    const argv = ['intercept', '-b', build, '-s', 'two', '--step-type', 'task'];
    const { code, err } = await cli.run(...argv, '--', 'sh', '-c', 'cat n; cat; echo oops >&2; exit 9');
    expect([code, err]).toEqual([9, '']);
    expect(read()).toContain('2\ntyped\n');
    expect(read()).toContain('oops\n');
  });

  it('asks when several match, and where nobody can be asked names them', async () => {
    const build = await failedBuild();
    person().input.end();
    const refused = await cli.run('hijack', '-b', build, '--', 'true');
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringContaining(`1: build ${build}, task one (b${build}-s2)`),
    ]);
    const { input, read } = person();
    input.end();
    cli.answers = ['9', '2'];
    const chosen = await cli.run('intercept', '-b', build, '--', 'cat', 'n');
    expect([chosen.code, chosen.out]).toEqual([
      0,
      expect.stringContaining(`2: build ${build}, task two (b${build}-s3)`),
    ]);
    expect(read()).toBe('2\n');
    const listed = await cli.run('containers');
    expect(listed.out).toMatch(new RegExp(`b${build}-s2 +host +none +none +${build} +task +one`));
  });

  it('takes a shell where no command is given, and says when there is no container', async () => {
    const build = await failedBuild();
    const { read } = person('cat n; exit 5\n');
    const { code } = await cli.run('intercept', '--handle', `b${build}-s2`);
    expect(code).toBe(5);
    expect(read()).toContain('1\n');
    expect((await cli.run('intercept', '-b', '999999', '--', 'true')).err).toContain('no container matches');
    const missing = await cli.run('intercept', '--handle', `b${build}-s2`, '--', 'no-such-command');
    expect([missing.code, missing.err]).toEqual([255, expect.stringContaining('no-such-command')]);
    expect((await cli.run('intercept', '--handle', 'b1-s999')).code).toBe(1);
  });

  (hasScript ? it : it.skip)('makes a terminal of the size of the window, raw while it lasts', async () => {
    const build = await failedBuild();
    const { input, read } = person();
    const raw: boolean[] = [];
    let size = { columns: 91, rows: 31 };
    let resized = (): void => undefined;
    cli.console = {
      ...cli.console!,
      window: {
        size: () => size,
        onResize: (listener) => {
          resized = listener;
          return () => (resized = () => undefined);
        },
        setRaw: (isRaw) => void raw.push(isRaw),
      },
    };
    cli.env['TERM'] = 'dumb';
    const running = cli.run('intercept', '--handle', `b${build}-s2`, '--', 'sh');
    input.write('stty size; echo $TERM\n');
    await eventually('the size', async () => /31 91\r\n[^]*dumb/.test(read()));
    size = { columns: 60, rows: 20 };
    resized();
    input.write('sleep 0.2; echo "now $(stty size)"\n');
    await eventually('the new size', async () => read().includes('now 20 60'));
    input.write('exit 4\n');
    expect((await running).code).toBe(4);
    expect(raw).toEqual([true, false]);
  });
});
