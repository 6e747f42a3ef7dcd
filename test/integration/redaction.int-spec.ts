import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { pino } from 'pino';
import type { BuildId } from '../../src/model/index.js';
import type { DummyProgram } from '../../src/runtime/index.js';
import { credentialsOn } from '../support/credentials.js';
import { dyingDb } from '../support/dying-db.js';
import { EngineWorld, gates } from '../support/engine-world.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** `leak SIZE SECRET…`: prints secrets in the forms in which programs do, in chunks of some bytes, on both streams. */
const leak: DummyProgram = async (step) => {
  const [, size = '1', ...secrets] = step.spec.argv;
  const all = secrets.join('');
  const texts = [
    ...[secrets.join(' '), all, all.slice(0, -1), JSON.stringify({ secrets }), encodeURIComponent(all)],
    ...['', 'u:', 'user'].map((before) => base64(`${before}${all}`)),
    ...secrets.flatMap((secret) => [
      JSON.stringify(secret),
      encodeURIComponent(secret),
      base64(secret),
      base64(`.${secret}.`),
    ]),
  ];
  const bytes = Buffer.from(texts.join('\n'));
  for (let at = 0, turn = 0; at < bytes.length; at += Number(size), turn++) {
    const piece = bytes.subarray(at, at + Number(size));
    step.write(piece);
    step.writeError(piece);
    if (turn % 16 === 0) await new Promise(setImmediate);
  }
  return 0;
};

let world: EngineWorld;
let varsDir: string;
beforeAll(async () => {
  world = await EngineWorld.create({ leak });
  varsDir = path.join(world.folder, 'vars');
  mkdirSync(path.join(varsDir, 'main'), { recursive: true });
  world.credentials = credentialsOn(world.db, { varsDir });
});
afterAll(() => world.close());

/** What is hidden, by where the build has it from. */
interface Secrets {
  readonly source: string;
  readonly file: string;
  readonly taskFile: string;
  readonly loaded: string;
  readonly written: string;
}

const TEMPLATE = {
  jobs: [{ name: 'made', plan: [{ get: 'r' }] }],
  resources: [{ name: 'r', type: 'git', source: { uri: '[[x]]', plain: 'of [[x]]' } }],
};
const task = (name: string, argv: readonly unknown[], more: object = {}): object => {
  const [path_, ...args] = argv;
  return { task: name, config: { platform: 'linux', run: { path: path_, args }, ...more } };
};

/** A build that does with its secrets whatever a build can. */
function pipelineOf(secrets: Secrets, size: number): string {
  const taskFile = JSON.stringify({
    platform: 'linux',
    outputs: [{ name: 'out' }],
    run: { path: 'write', args: ['out/f', '[[own:taskFile]]'] },
  });
  const files = {
    'v.json': JSON.stringify({ deep: [secrets.loaded] }),
    't.yml': taskFile,
    'p.yml': JSON.stringify(TEMPLATE),
  };
  const known = ['((own:source))', '((file))', '((.:v))'];
  return JSON.stringify({
    var_sources: [
      { name: 'own', type: 'dummy', config: { vars: { source: secrets.source, taskFile: secrets.taskFile } } },
    ],
    resources: [
      { name: 'repo', type: 'git', source: { uri: 'x' } },
      { name: 'other', type: 'git', source: { uri: '((file))', password: secrets.written } },
    ],
    jobs: [
      {
        name: 'job',
        plan: [
          { get: 'repo', params: { files } },
          { load_var: 'v', file: 'repo/v.json' },
          { task: 'from-file', file: 'repo/t.yml' },
          { get: 'other', params: { print: 'fetching ((own:source))', metadata: { from: '((own:source)) ((file))' } } },
          { put: 'kept', resource: 'other', params: { ref: 'v8', metadata: { made: 'with ((file))' } }, no_get: true },
          {
            put: 'made',
            resource: 'other',
            params: { ref: 'v9' },
            get_params: { metadata: { from: 'by ((own:source))' } },
          },
          { try: { get: 'refused', resource: 'repo', params: { fail: 'no ((file)) here' } } },
          { try: { get: 'broken', resource: 'repo', params: { error: 'x((own:source))y' } } },
          { try: task('odd', ['ok', 'x((.:v.deep))']) },
          { set_pipeline: 'child', file: 'repo/p.yml', vars: { x: '((own:source))' } },
          {
            try: { ...task('each', ['print', '((.:a))']), across: [{ var: 'a', values: known, max_in_flight: 'all' }] },
          },
          // What the task file named before a restart is known to nobody but the journal.
          task('read', ['cat', 'out/f'], { inputs: [{ name: 'out' }] }),
          task('say', [
            'leak',
            String(size),
            secrets.source,
            secrets.file,
            secrets.loaded,
            secrets.taskFile,
            secrets.written,
          ]),
          task('fail', ['no-such-program', '((own:source))']),
        ],
      },
    ],
  });
}

/** Every text that people can see of the build: its events but for their shape, its logs, and what it saved. */
async function seenTexts(id: BuildId): Promise<string[]> {
  const events = await world.events(id);
  const told = events.map(({ data }) => {
    const { origin: _, time: __, ...rest } = data as unknown as Record<string, unknown>;
    return rest;
  });
  const logs = new Map<string, string>();
  for (const { data } of events) {
    if (!('payload' in data)) continue;
    const stream = JSON.stringify(data.origin);
    logs.set(stream, (logs.get(stream) ?? '') + data.payload);
  }
  const versions = await world.db.query(`select metadata from versions where metadata is not null`);
  return textsOf([told, [...logs.values()], versions]);
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsOf(each)]);
}

/** The secret as it is, as JSON, in a URL and in base64, alone and behind others. */
function formsOf(secret: string): string[] {
  const inside = [0, 1, 2].map((before) => {
    const whole = base64(' '.repeat(before) + secret).replace(/=+$/, '');
    return whole.slice(before === 0 ? 0 : before + 1, -1);
  });
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    ...inside.filter(({ length }) => length > 5),
  ];
}

function leaksIn(texts: readonly string[], secrets: Secrets): string[] {
  const parts = texts.flatMap((text) => text.split('((redacted))'));
  return Object.entries(secrets).flatMap(([name, secret]: [string, string]) =>
    formsOf(secret).flatMap((form) => parts.filter((part) => part.includes(form)).map((part) => `${name}: ${part}`)),
  );
}

const HARD = '"\\/ +&<>%\'=?#';
const secretText = fc
  .array(fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }), fc.constantFrom(...HARD, 'Ab', '\n')), {
    minLength: 2,
    maxLength: 8,
  })
  .map((pieces) => `zq${pieces.join('')}`) // not a word of the pipeline's own
  .filter((text) => text.trim().length >= 4 && text === text.trim() && !/\(\(|\[\[|\]\]/.test(text));

let epoch = 1;
/** The build came to its last step. */
const LAST = 'executable file not found: no-such-program';

describe('no secret', () => {
  it('of a step that ended before a restart is stored after it', async () => {
    const secrets = {
      source: 'zq-own-word',
      file: 'zq-of-a-file',
      taskFile: 'zq-task-file',
      loaded: 'zq-loaded',
      written: 'zq-written',
    };
    writeFileSync(path.join(varsDir, 'main', 'file'), secrets.file);
    const gated = JSON.parse(pipelineOf(secrets, 5)) as { jobs: { plan: object[] }[] };
    gated.jobs[0]!.plan.splice(-3, 0, task('wait', ['gate', 'redaction']));
    const { id } = await world.start(await world.pipeline(JSON.stringify(gated)));
    const first = world.engine(epoch++);
    first.start();
    const atGate = async (): Promise<boolean> => JSON.stringify(await world.events(id)).includes('at gate redaction');
    await world.until(atGate, 'the gate');
    await first.stop();
    const second = world.engine(epoch++);
    second.start();
    gates.add('redaction');
    expect(await world.finished(id)).toBe('errored');
    await second.stop();
    const texts = await seenTexts(id);
    expect(leaksIn(texts, secrets)).toEqual([]);
    expect(texts).toContain(LAST);
    const read = texts.filter((text) => text === '((redacted))\n');
    expect(read.length).toBeGreaterThan(0); // what the task of the file has written was printed
  });

  it('is in what is stored of a build, also when its server dies between a secret and its use', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          source: secretText,
          file: secretText,
          taskFile: secretText,
          loaded: secretText,
          written: secretText,
        }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        async (secrets, size, transactions) => {
          writeFileSync(path.join(varsDir, 'main', 'file'), secrets.file);
          const { id } = await world.start(await world.pipeline(pipelineOf(secrets, size)));
          const { db, isDead } = dyingDb(world.db, transactions);
          const first = world.engine(epoch++, { db, log });
          first.start();
          await world.until(async () => isDead() || (await world.status(id)) !== 'started', 'death or the end');
          await first.stop();
          const second = world.engine(epoch++, { log });
          second.start();
          expect(await world.finished(id)).toBe('errored');
          await second.stop();
          const texts = [...(await seenTexts(id)), ...lines.splice(0).flatMap((line) => textsOf(JSON.parse(line)))];
          expect(leaksIn(texts, secrets)).toEqual([]);
          expect(texts).toContain(LAST);
        },
      ),
      { numRuns: Number(process.env['REDACTION_RUNS'] ?? 8) },
    );
  }, 600_000);
});
