import { describe, expect, it } from '@jest/globals';
import { place, versionPart } from './cli.js';
import { route } from './client.js';
import { EventPrinter } from './commands/watch.js';
import { diffLines, diffText } from '../pipelines/config/index.js';
import { buildDuration, duration, status, table, version } from './format.js';
import { painter, type Io } from './io.js';
import { run } from './run.js';
import type { WireEvent } from './wire.js';

const plain = painter({ hasColours: false });
const coloured = painter({ hasColours: true });

describe('a table', () => {
  it('is as wide as its widest cells, colours not counted', () => {
    const rows = [
      [status(coloured, 'succeeded'), 'x'],
      ['a', 'long cell'],
    ];
    // eslint-disable-next-line no-control-regex
    const text = table(coloured, ['status', 'b'], rows).replace(/\u001b\[\d+m/g, '');
    expect(text).toBe('status     b\nsucceeded  x\na          long cell\n');
  });

  it('has no colours in a file', () => {
    expect(table(plain, ['a'], [[status(plain, 'failed')]])).toBe('a\nfailed\n');
  });
});

describe('words', () => {
  it.each([
    [5, '5s'],
    [65, '1m5s'],
    [3600, '1h0m0s'],
  ])('%p seconds are %p', (seconds, text) => expect(duration(seconds)).toBe(text));

  it('a running build shows how long it runs so far', () => {
    const build = { id: 1, name: '1', status: 'started', team_name: 'main', start_time: 100 };
    expect(buildDuration(build, new Date(160_000))).toBe('1m0s+');
    expect(buildDuration({ ...build, end_time: 130 }, new Date(160_000))).toBe('30s');
  });

  it('versions are written as they are read', () => {
    expect(version({ ref: 'a:b', depth: '1' })).toBe('ref:a:b,depth:1');
    expect(versionPart('ref:a:b,depth:1')).toEqual({ ref: 'a:b', depth: '1' });
    expect(versionPart('y:2', versionPart('x:1'))).toEqual({ x: '1', y: '2' });
    expect(() => versionPart('ref')).toThrow('KEY:VALUE');
  });

  it('a place is split at its first slash', () => {
    expect(place('p/a/b')).toEqual({ pipeline: 'p', name: 'a/b' });
    for (const wrong of ['p', '/j', 'p/']) expect(() => place(wrong)).toThrow('PIPELINE/NAME');
  });

  it('names in paths are escaped', () => {
    expect(route`/jobs/${'a/b c'}`).toBe('/jobs/a%2Fb%20c');
  });
});

describe('a diff', () => {
  it('shows what goes and what comes with lines around it', () => {
    const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    const after = before.map((line) => (line === 'h' ? 'H' : line));
    expect(diffLines(before, after)).toEqual(['  ...', '  e', '  f', '  g', '- h', '+ H', '  i']);
  });

  it('takes another order of keys for no change', () => {
    const old = { plan: [{ file: 'f', task: 't' }], name: 'j' };
    const text = diffText(plain, [
      { kind: 'changed', section: 'jobs', name: 'j', old, new: { name: 'j', plan: [{ task: 't', file: 'g' }] } },
    ]);
    expect(text).toBe('job j changed\n  name: j\n  plan:\n    - task: t\n-     file: f\n+     file: g\n');
  });

  it('names each item that changes', () => {
    const text = diffText(plain, [
      { kind: 'changed', section: 'jobs', name: 'build', old: { name: 'build', serial: true }, new: { name: 'build' } },
      { kind: 'added', section: 'resources', name: 'repo', new: { name: 'repo' } },
    ]);
    expect(text).toBe('job build changed\n  name: build\n- serial: true\n\nresource repo added\n+ name: repo\n');
  });
});

describe('a watched build', () => {
  function watch(
    events: readonly Partial<WireEvent['data'] & { event: string }>[],
    timestamps = false,
  ): { out: string; code: number | undefined } {
    let out = '';
    const io = { out: (text: string) => void (out += text) } as unknown as Io;
    const printer = new EventPrinter({ io, paint: plain, isJson: false }, timestamps);
    let code: number | undefined;
    for (const { event = '', ...data } of events) code = printer.print({ event, version: '1.0', data }) ?? code;
    return { out, code };
  }

  it.each([
    ['succeeded', [], 0],
    ['failed', [], 1],
    ['errored', [], 2],
    ['aborted', [], 3],
    ['failed', [7], 7],
    ['failed', [7, 0], 1],
    ['errored', [0], 2],
    ['succeeded', [7], 0],
  ] as const)('that %s after tasks exiting %p gives an exit code', (status_, exits, code) => {
    const tasks = exits.map((exit_status) => ({ event: 'finish-task', exit_status }));
    expect(watch([{ event: 'status', status: 'started' }, ...tasks, { event: 'status', status: status_ }]).code).toBe(
      code,
    );
  });

  it('prints output as it is and what happens in lines of their own', () => {
    const { out } = watch([
      { event: 'initialize-task', time: 1 },
      { event: 'start-task', config: { run: { path: 'sh', args: ['-c', 'ls'] } } },
      { event: 'log', payload: 'one\ntw' },
      { event: 'log', payload: 'o' },
      { event: 'error', message: 'interrupted' },
      { event: 'something-new' },
      { event: 'status', status: 'aborted' },
    ]);
    expect(out).toBe('initializing\nrunning sh -c ls\none\ntwo\ninterrupted\naborted\n');
  });

  it('has a time before each line when asked, and only there', () => {
    const { out } = watch(
      [
        { event: 'log', payload: 'a\nb', time: 0 },
        { event: 'log', payload: 'c\n', time: 0 },
        { event: 'error', message: 'e' },
      ],
      true,
    );
    expect(out.replace(/\d\d:\d\d:\d\d/g, 'TT')).toBe('TT  a\nTT  bc\n          e\n');
  });
});

describe('a command line', () => {
  async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    const said = { out: '', err: '' };
    const io = {
      env: {},
      home: '/nonexistent',
      hasColours: false,
      isInteractive: false,
      signal: new AbortController().signal,
      now: () => new Date(),
      out: (text: string) => void (said.out += text),
      err: (text: string) => void (said.err += text),
      ask: async () => '',
      readAll: async () => '',
    } satisfies Io;
    const code = await run(argv, io);
    return { code, ...said };
  }

  it('with an unknown command proposes a near one', async () => {
    expect(await cli('piplines')).toMatchObject({ code: 1, err: expect.stringContaining('Did you mean pipelines?') });
  });

  it('without a login says how to get one', async () => {
    expect(await cli('pipelines')).toEqual({
      code: 1,
      out: '',
      err: 'error: not logged in to any server: run `weir login`\n',
    });
  });

  it('that lacks an option says which', async () => {
    expect(await cli('jobs')).toMatchObject({
      code: 1,
      err: expect.stringContaining("'-p, --pipeline <name>' not specified"),
    });
    expect(await cli('job', '-j', 'x')).toMatchObject({
      code: 1,
      err: expect.stringContaining('expected PIPELINE/NAME'),
    });
  });

  it('prints the schema of pipelines without a server', async () => {
    const { code, out } = await cli('schema');
    expect([code, JSON.parse(out)]).toMatchObject([0, { title: 'Weir pipeline', required: ['jobs'] }]);
  });

  it('explains itself', async () => {
    const { code, out } = await cli('--help');
    expect(code).toBe(0);
    for (const name of ['set-pipeline|sp', 'trigger-job|tj', 'watch|w', 'sources', 'serve', 'plan', 'pin|pin-resource'])
      expect(out).toContain(name);
  });
});
