import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiServer } from '../support/api-server.js';
import { CliRunner } from '../support/cli-runner.js';
import { eventually } from '../support/eventually.js';

let server: ApiServer;
let cli: CliRunner;
let pipeline: string;
let count = 0;
beforeAll(async () => {
  server = await ApiServer.start();
  cli = new CliRunner();
  cli.env.WEIR_TARGET_URL = server.url;
  cli.env.WEIR_TOKEN = server.token;
});
afterAll(() => server?.stop());

const configOf = (fullByDefault: boolean): string => `
resources: [{name: clock, type: mock, source: {initial_version: "1"}, check_every: never}]
jobs:
- name: render
  vars:
  - {name: customer, type: string, required: true, description: Whose site}
  - {name: full, type: boolean, default: ${fullByDefault}}
  - {name: count, type: number, default: 3}
  - {name: region, type: string, options: [eu, us], default: eu}
  - {name: tags, type: list}
  - {name: extra, type: map}
  plan:
  - task: say
    config:
      platform: linux
      run: {path: sh, args: [-c, 'echo "((.:customer)) ((.:count)) $FULL"; test "((.:customer))" != broken']}
      params: {FULL: ((.:full))}
- name: auto
  vars: [{name: mode, type: string, default: quick}]
  plan:
  - {get: clock, trigger: true}
  - {task: say, config: {platform: linux, run: {path: echo, args: [mode, ((.:mode))]}}}
- name: plain
  plan: [{task: say, config: {platform: linux, run: {path: echo, args: [hi]}}}]
`;
const JSON_TYPE = { 'content-type': 'application/json' };
const DEFAULTS = { full: false, count: 3, region: 'eu' };

interface Answered {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly vars?: Readonly<Record<string, unknown>>;
}

beforeEach(async () => {
  pipeline = `/api/v1/teams/main/pipelines/v${++count}`;
  expect((await server.fetch('PUT', `${pipeline}/config`, configOf(false))).status).toBe(201);
  expect((await server.fetch('PUT', `${pipeline}/unpause`)).status).toBe(200);
});

const trigger = (job: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  server.fetch('POST', `${pipeline}/jobs/${job}/builds`, body, headers);
async function started(job: string, body?: unknown): Promise<Answered> {
  const answer = await trigger(job, body);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Answered;
}
const builds = (job: string): Promise<Answered[]> => server.ask('GET', `${pipeline}/jobs/${job}/builds`);

async function ended(id: number): Promise<Answered> {
  const read = (): Promise<Answered> => server.ask<Answered>('GET', `/api/v1/builds/${id}`);
  await eventually(`the end of build ${id}`, async () => !['pending', 'started'].includes((await read()).status));
  return read();
}
async function output(id: number): Promise<string> {
  const rows = await server.database.db.query<{ text: string | null }>(
    `select data->>'payload' as text from build_events where build_id = $1 order by seq`,
    [id],
  );
  return rows.map(({ text }) => text ?? '').join('');
}

describe('a build that is given vars', () => {
  it('has them and the defaults, with their types, and shows them', async () => {
    const vars = { customer: 'acme', full: true, tags: ['a', { b: null }], extra: { deep: { er: 1 } } };
    const build = await started('render', { vars });
    expect(build.vars).toEqual({ ...DEFAULTS, ...vars });
    expect(await ended(build.id)).toMatchObject({ status: 'succeeded', vars: { ...DEFAULTS, ...vars } });
    expect(await output(build.id)).toContain('acme 3 true\n');
    expect((await builds('render')).map((each) => each.vars)).toEqual([{ ...DEFAULTS, ...vars }]);
    expect(await server.ask('GET', `/api/v1/builds/${build.id}/explain`)).toMatchObject({ build: { vars } });
  });

  it('keeps them when the config changes before it starts, and so does its rerun', async () => {
    await server.fetch('PUT', `${pipeline}/pause`);
    const build = await started('render', { vars: { customer: 'acme' } });
    await server.fetch('PUT', `${pipeline}/config`, configOf(true));
    await server.fetch('PUT', `${pipeline}/unpause`);
    expect(await ended(build.id)).toMatchObject({ status: 'succeeded', vars: { ...DEFAULTS, customer: 'acme' } });
    const again = await server.ask<Answered>('POST', `${pipeline}/jobs/render/builds/1`);
    expect(again).toMatchObject({ name: '1.1', vars: { ...DEFAULTS, customer: 'acme' } });
    expect((await ended(again.id)).status).toBe('succeeded');
    expect(await output(again.id)).toContain('acme 3 false\n');
    expect((await started('render', { vars: { customer: 'other' } })).vars).toMatchObject({ full: true });
  });

  it('hands them to the build that resumes it', async () => {
    const build = await started('render', { vars: { customer: 'broken', count: 7 } });
    expect((await ended(build.id)).status).toBe('failed');
    const resumed = await server.ask<Answered>('POST', `/api/v1/builds/${build.id}/resume`);
    expect(resumed.vars).toEqual({ ...DEFAULTS, customer: 'broken', count: 7 });
    expect((await ended(resumed.id)).status).toBe('failed');
    expect(await output(resumed.id)).toContain('broken 7 false\n');
  });
});

describe('a build that is given none', () => {
  it('has the defaults when a version starts it', async () => {
    await server.fetch('POST', `${pipeline}/resources/clock/check`, {});
    await eventually('an automatic build', async () => (await builds('auto')).length === 1);
    const [automatic] = await builds('auto');
    expect(await ended(automatic!.id)).toMatchObject({ status: 'succeeded', vars: { mode: 'quick' } });
    expect(await output(automatic!.id)).toContain('mode quick\n');
  });

  it.each([
    ['no body', undefined, {}],
    ['an empty body', '', { 'content-type': 'application/json' }],
    ['an empty form', '', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an empty body of some type', '', { 'content-type': 'text/plain' }],
    ['an empty map', {}, {}],
    ['no vars', { vars: {} }, {}],
    ['a reason', { reason: 'because' }, {}],
  ])('starts as ever with %s', async (_what, body, headers) => {
    const answer = await trigger('plain', body, headers);
    const build = (await answer.json()) as Answered;
    expect([answer.status, build.name, 'vars' in build]).toEqual([200, '1', false]);
  });
});

describe('vars that do not fit', () => {
  const wrong = { vars: { custmer: 'acme', full: 'true', region: 'asia' } };
  const problems = [
    {
      path: 'vars.custmer',
      message: 'the job has no such var; it has customer, full, count, region, tags, extra; did you mean "customer"?',
    },
    { path: 'vars.full', message: 'must be true or false, not text' },
    { path: 'vars.region', message: 'must be one of eu, us' },
    { path: 'vars.customer', message: 'is required: text (Whose site)' },
  ];
  const text = `no build of job 'render' was started: ${problems.map(({ path, message }) => `${path}: ${message}`).join('; ')}`;

  it('are told all at once, and nothing is created', async () => {
    const answer = await trigger('render', wrong, { accept: 'application/json' });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { code: 'invalid-vars', message: text, details: problems, requestId: expect.any(String) },
    ]);
    expect(await builds('render')).toEqual([]);
    expect((await started('render', { vars: { customer: 'acme' } })).name).toBe('1');
  });

  it('are told in text to clients that accept no JSON, as fly', async () => {
    // fetch always sends an Accept header, which fly does not.
    const { app, token } = server;
    const answer = await app
      .getHttpAdapter()
      .getInstance()
      .inject({
        method: 'POST',
        url: `${pipeline}/jobs/render/builds`,
        headers: { authorization: `Bearer ${token}` },
      });
    expect([answer.statusCode, answer.headers['content-type'], answer.body]).toEqual([
      400,
      'text/plain; charset=utf-8',
      "no build of job 'render' was started: vars.customer: is required: text (Whose site)",
    ]);
  });

  it.each([
    ['vars that are no map', { vars: ['customer'] }, {}, /vars: /],
    ['another key', { var: { customer: 'acme' } }, {}, /"var"/],
    ['another type of content', 'customer: acme', { 'content-type': 'text/plain' }, /expected JSON/],
    ['a stream', 'customer: acme', { 'content-type': 'application/octet-stream' }, /expected JSON/],
    ['a number without end', '{"vars": {"customer": "a", "count": 1e999}}', JSON_TYPE, /count: .* too large/],
  ])('%s is refused', async (_what, body, headers, message) => {
    const answer = await trigger('render', body, { accept: 'application/json', ...headers });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      expect.objectContaining({ message: expect.stringMatching(message) }),
    ]);
    expect(await builds('render')).toEqual([]);
  });

  it('free their Idempotency-Key; those that fit start one build, however often they are sent', async () => {
    const key = { 'idempotency-key': `vars-${count}` };
    expect((await trigger('render', wrong, key)).status).toBe(400);
    const good = { vars: { customer: 'acme' } };
    const answers = [await trigger('render', good, key), await trigger('render', good, key)];
    const [first, second] = (await Promise.all(answers.map((each) => each.json()))) as Answered[];
    expect([first!.id, first!.vars]).toEqual([second!.id, second!.vars]);
    expect(await builds('render')).toHaveLength(1);
    expect((await trigger('render', { vars: { customer: 'other' } }, key)).status).toBe(422);
  });
});

describe('declared vars', () => {
  it('are shown with their job, to members of the team', async () => {
    const job = await server.ask<{ vars?: { name: string }[] }>('GET', `${pipeline}/jobs/render`);
    expect(job.vars?.[0]).toEqual({ name: 'customer', type: 'string', required: true, description: 'Whose site' });
    const build = await started('render', { vars: { customer: 'acme' } });
    await server.fetch('PUT', `${pipeline}/expose`);
    for (const path of [`${pipeline}/jobs/render`, `/api/v1/builds/${build.id}`]) {
      const answer = await fetch(server.url + path);
      expect([answer.status, 'vars' in ((await answer.json()) as object)]).toEqual([200, false]);
    }
  });
});

describe('weir trigger-job', () => {
  const run = (...more: string[]): ReturnType<CliRunner['run']> =>
    cli.run('trigger-job', '-j', `v${count}/render`, ...more);

  it('reads -v by the declared type, -y and files as YAML', async () => {
    const file = path.join(cli.home, 'vars.yml');
    await writeFile(file, 'customer: filed\ncount: 9\n');
    const { code, out } = await run(
      ...[
        '-l',
        file,
        '-v',
        'customer=12',
        '-v',
        'full=true',
        '-v',
        'tags=[a, 1]',
        '-v',
        'extra.a=1',
        '-y',
        'extra.b=1',
      ],
      '--json',
    );
    expect([code, (JSON.parse(out) as Answered).vars]).toEqual([
      0,
      { customer: '12', count: 9, full: true, region: 'eu', tags: ['a', 1], extra: { a: '1', b: 1 } },
    ]);
    const text = (await cli.run('explain', `v${count}/render`, '-b', '1')).out;
    expect(text).toContain('var customer: 12\n');
    expect(text).toContain('var tags: ["a",1]\n');
  });

  it.each([
    [
      ['-v', 'customer=a', '-v', 'count=many'],
      "var count is of type number, which 'many' is not; write it like 3 or 2.5",
    ],
    [['-v', 'full=yes'], "var full is of type boolean, which 'yes' is not; write true or false"],
    [['-v', 'tags=a'], "var tags is of type list, which 'a' is not; write it like [a, b]"],
    [['-y', 'customer=12'], "no build of job 'render' was started: vars.customer: must be text, not a number"],
    [['-v', 'customer'], '"customer" is not NAME=VALUE'],
    [[], "no build of job 'render' was started: vars.customer: is required: text (Whose site)"],
  ])('%p says what is wrong', async (options, message) => {
    const { code, err } = await run(...options);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(await builds('render')).toEqual([]);
  });

  it('has the vars shown by weir job', async () => {
    const { out } = await cli.run('job', '-j', `v${count}/render`);
    expect(out).toContain('var customer (string; required): Whose site\n');
    expect(out).toContain('var region (string; default eu; one of eu, us)\n');
  });
});
