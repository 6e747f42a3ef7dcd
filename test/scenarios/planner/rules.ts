/**
 * The rules of docs/concepts/planning.md as worlds, one row per rule, in the words of the scenario format. `passed: 'a b'`
 * stands for a list of jobs; builds are written `job: outputs | inputs < pipes`, a version's name begins with its resource's,
 * or follows it: `x=v1`.
 */
interface Row {
  readonly name: string;
  readonly given: object;
  readonly expect: object;
}

const JOBS = ['a', 'b', 'current', 'c'];

interface World {
  /** By resource its versions, oldest first; `!` marks a disabled one. */
  readonly versions: Readonly<Record<string, string>>;
  /** In order of their ids: `1 a: x1 y1` or `2 a(1): x1 | y1` or `3 current: | x1 < 1 2`; `✗` before the colon: failed. */
  readonly builds?: readonly string[];
  readonly inputs: readonly { name: string; passed?: unknown; version?: unknown; resource?: string }[];
}

/** The `given` of a scenario. */
export function world({ versions, builds = [], inputs }: World): object {
  const pairs = (text = ''): object[] =>
    text
      .split(' ')
      .filter(Boolean)
      .map((token) => {
        const version = token.split('=').at(-1);
        return { name: token[0], resource: token[0], version };
      });
  return {
    job: 'current',
    jobs: JOBS.map((name, i) => ({ id: i + 1, name })),
    resources: Object.entries(versions).map(([name, list], i) => ({
      id: i + 1,
      name,
      versions: list
        .split(' ')
        .flatMap((v, order) =>
          v === '' ? [] : [{ version: v.replace('!', ''), checkOrder: order + 1, disabled: v.endsWith('!') }],
        ),
    })),
    builds: builds.map((text) => {
      const [, id, job, rerunOf, failed, outputs, ins, pipes] =
        /^(\d+) (\w+)(?:\((\d+)\))?(✗)?: *([\w= ]*)(?:\|([\w= ]*))?(?:<([\d ]*))?$/.exec(text)!;
      return {
        id: Number(id),
        job,
        ...(rerunOf === undefined ? {} : { rerunOf: Number(rerunOf) }),
        status: failed ? 'failed' : 'succeeded',
        outputs: pairs(outputs?.trim()),
        inputs: pairs(ins?.trim()),
        pipes: (pipes ?? '').split(' ').filter(Boolean).map(Number),
      };
    }),
    inputs: inputs.map((input) => ({ resource: input.name[0], ...input })),
  };
}

const UNSATISFIED = {
  error: 'no_passed_satisfied',
  text: 'no satisfiable builds from passed jobs found for set of inputs',
};

export const rules: readonly Row[] = [
  {
    name: 'goes back through as many builds as it takes',
    given: world({
      versions: { x: 'x1 x2!' },
      builds: Array.from({ length: 40 }, (_, i) => `${i + 1} a: | ${i === 0 ? 'x1' : 'x2'}`),
      inputs: [{ name: 'x', passed: ['a'] }],
    }),
    expect: { ok: true, inputs: { x: { version: 'x1', passedBuildIds: [1] } } },
  },
  {
    name: 'tells equal versions of two resources apart',
    given: world({
      versions: { x: 'v1', y: 'v1' },
      builds: ['1 a: | x=v1 y=v1', '2 b: | x=v1 y=v1'],
      inputs: [
        { name: 'x', passed: ['a', 'b'] },
        { name: 'y', passed: ['a', 'b'] },
      ],
    }),
    expect: {
      ok: true,
      inputs: {
        x: { version: 'v1', passedBuildIds: [1, 2] },
        y: { version: 'v1', passedBuildIds: [1, 2] },
      },
    },
  },
  {
    name: 'joins the groups that a later input bridges, so that what never went through a job together is not chosen',
    given: world({
      versions: { x: 'x1 x2', y: 'y1', z: 'z1 z2' },
      builds: ['1 a: | x1 z1', '2 a: | x2 z2', '3 b: | y1 z1'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: ['b'] },
        { name: 'z', passed: ['a', 'b'] },
      ],
    }),
    expect: {
      ok: true,
      inputs: {
        x: { version: 'x1', passedBuildIds: [1] },
        y: { version: 'y1', passedBuildIds: [3] },
        z: { version: 'z1', passedBuildIds: [1, 3] },
      },
    },
  },
  {
    name: 'takes all versions that name a job from one build of it',
    given: world({
      versions: { x: 'x1', y: 'y1' },
      builds: ['1 a: | x1', '2 a: | y1'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: ['a'] },
      ],
    }),
    expect: { ok: false, inputs: { x: UNSATISFIED, y: UNSATISFIED } },
  },
  {
    name: 'tries the other versions of a build when the first one fits nowhere else',
    given: world({
      versions: { x: 'x1 x2' },
      builds: ['1 a: x1 x2', '2 b: x2'],
      inputs: [{ name: 'x', passed: ['a', 'b'] }],
    }),
    expect: { ok: true, inputs: { x: { version: 'x2', passedBuildIds: [1, 2] } } },
  },
  {
    name: 'decides inputs in their order: the first one gets the newest build',
    given: world({
      versions: { x: 'x1 x2', y: 'y1 y2', z: 'z1 z2' },
      builds: ['1 a: | x1 z2', '2 b: | y2 z1', '3 a: | x2 z1', '4 b: | y1 z2'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: ['b'] },
        { name: 'z', passed: ['a', 'b'] },
      ],
    }),
    expect: { ok: true, inputs: { x: { version: 'x2' }, y: { version: 'y2' }, z: { version: 'z1' } } },
  },
  {
    name: 'blames a missing pin on its own input and resolves the others of its group',
    given: world({
      versions: { x: 'x1', y: 'y1' },
      builds: ['1 a: | x1 y1'],
      inputs: [
        { name: 'x', passed: ['a'], version: { pinned: 'x9' } },
        { name: 'y', passed: ['a'] },
      ],
    }),
    expect: {
      ok: false,
      hasNext: false,
      inputs: { x: { error: 'pinned_not_found', text: 'pinned version ver:x9 not found' }, y: { version: 'y1' } },
    },
  },
  {
    name: 'takes the newest build of any of the jobs when one of them suffices',
    given: world({
      versions: { x: 'x1 x2' },
      builds: ['1 a: | x1', '2 b: | x2'],
      inputs: [{ name: 'x', passed: { any: ['a', 'b'] } }],
    }),
    expect: { ok: true, inputs: { x: { version: 'x2', passedBuildIds: [2] } } },
  },
  {
    name: 'needs every job of one way when `all` stands inside `any`',
    given: world({
      versions: { x: 'x1 x2' },
      builds: ['1 a: | x1', '2 b: | x1', '3 b: | x2'],
      inputs: [{ name: 'x', passed: { any: [{ all: ['a', 'b'] }, 'c'] } }],
    }),
    expect: { ok: true, inputs: { x: { version: 'x1', passedBuildIds: [1, 2] } } },
  },
  {
    name: 'fails when none of any job ever let a version through',
    given: world({
      versions: { x: 'x1' },
      builds: ['1 a✗: | x1'],
      inputs: [{ name: 'x', passed: { any: ['a', 'b'] } }],
    }),
    expect: { ok: false, inputs: { x: UNSATISFIED } },
  },
  {
    name: 'reads shell globs in passed',
    given: world({
      versions: { x: 'x1 x2' },
      builds: ['1 a: | x1', '2 b: | x1', '3 a: | x2'],
      inputs: [{ name: 'x', passed: ['[ab]'] }],
    }),
    expect: { ok: true, inputs: { x: { version: 'x1', passedBuildIds: [1, 2] } } },
  },
  {
    name: 'finds a solution that only a rerun of the last used build gives, after everything else',
    given: world({
      versions: { x: 'x1 x2' },
      builds: ['1 a: | x1', '2 current: | x1 < 1', '3 a(1): x2'],
      inputs: [{ name: 'x', passed: ['a'], version: { pinned: 'x2' } }],
    }),
    expect: { ok: true, inputs: { x: { version: 'x2', passedBuildIds: [3] } } },
  },
  {
    name: 'prefers, with `every`, the build used last to a rerun of it',
    given: world({
      versions: { x: 'x1 x2' },
      builds: ['1 a: | x1', '2 current: | x1 < 1', '3 a(1): x2'],
      inputs: [{ name: 'x', passed: ['a'], version: 'every' }],
    }),
    expect: { ok: true, hasNext: false, inputs: { x: { version: 'x1', passedBuildIds: [1] } } },
  },
  {
    name: 'takes, with `every`, from the next unused build that fits the other inputs',
    given: world({
      versions: { x: 'x1 x2 x3', y: 'y1 y2' },
      builds: ['1 a: | x1', '2 current: | x1 < 1', '3 a: | x2 y1', '4 a: | x3 y2', '5 b: | y2'],
      inputs: [
        { name: 'x', passed: ['a'], version: 'every' },
        { name: 'y', passed: ['a', 'b'] },
      ],
    }),
    expect: { ok: true, hasNext: true, inputs: { x: { version: 'x3' }, y: { version: 'y2' } } },
  },
  {
    name: 'needs, for a way through jobs that are already decided, a version that all their builds hold',
    given: world({
      versions: { x: 'x1', y: 'y1 y2' },
      builds: ['1 c: | y2', '2 a: | x1 y1', '3 b: | x1 y2'],
      inputs: [
        { name: 'x', passed: ['a', 'b'] },
        { name: 'y', passed: { any: [{ all: ['a', 'b'] }, 'c'] } },
      ],
    }),
    expect: { ok: true, inputs: { x: { version: 'x1' }, y: { version: 'y2', passedBuildIds: [1] } } },
  },
  {
    name: 'tries a way again with an older build of a job that another input passes',
    given: world({
      versions: { x: 'x1', y: 'y1 y2!' },
      builds: ['1 a: | x1 y1', '2 a: | x1 y2'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: { any: ['a', 'b'] } },
      ],
    }),
    expect: { ok: true, inputs: { x: { version: 'x1' }, y: { version: 'y1', passedBuildIds: [1] } } },
  },
  {
    name: 'goes on, with `every`, from the last use of the first input that has one',
    given: world({
      versions: { x: 'x1', y: 'y1' },
      builds: ['1 a: | x1 y1', '2 b: | y1', '3 current: | y1 < 2', '4 b: | y1', '5 b: | y1'],
      inputs: [
        { name: 'x', passed: ['a'], version: 'every' },
        { name: 'y', passed: ['a', 'b'], version: 'every' },
      ],
    }),
    expect: { ok: true, hasNext: true, inputs: { x: { version: 'x1' }, y: { version: 'y1', passedBuildIds: [1, 4] } } },
  },
  {
    name: 'keeps to the last use of the first input, when another input was used otherwise',
    given: world({
      versions: { x: 'x1', y: 'y1' },
      builds: ['1 a: | x1 y1', '2 b: | y1', '3 current: | x1 < 1 2', '4 b: | y1', '5 current: | y1 < 1 4', '6 b: | y1'],
      inputs: [
        { name: 'x', passed: ['a'], version: 'every' },
        { name: 'y', passed: ['a', 'b'], version: 'every' },
      ],
    }),
    expect: { ok: true, hasNext: true, inputs: { y: { version: 'y1', passedBuildIds: [1, 4] } } },
  },
  {
    name: 'tries other versions after some failed together',
    given: world({
      versions: { x: 'x1 x2', y: 'y1 y2' },
      builds: ['1 a: | x1 y1', '2 a: | x2 y2', '3 b: | x2 y1', '4 b: | x1 y2', '5 b: | x1 y1'],
      inputs: [
        { name: 'x', passed: ['a', 'b'] },
        { name: 'y', passed: ['a', 'b'] },
      ],
    }),
    expect: { ok: true, inputs: { x: { version: 'x1', passedBuildIds: [1, 5] }, y: { version: 'y1' } } },
  },
  {
    name: 'tries every version that a build holds',
    given: world({
      versions: { x: 'x1 x2', y: 'y1' },
      builds: ['1 a: x1 x2', '2 b: | x1', '3 b: | x2 y1'],
      inputs: [
        { name: 'x', passed: ['a', 'b'] },
        { name: 'y', passed: ['b'] },
      ],
    }),
    expect: { ok: true, inputs: { x: { version: 'x2', passedBuildIds: [1, 3] }, y: { version: 'y1' } } },
  },
  {
    name: 'keeps the order of inputs in a group that a later input joined',
    given: world({
      versions: { x: 'x1', y: 'y1', z: 'z1', w: 'w1' },
      builds: ['1 a: | x1 z1', '2 b: | y1 z1', '3 current: | y1 < 1 2', '4 b: | y1 z1', '5 b: | y1 z1', '6 c: | w1'],
      inputs: [
        { name: 'x', passed: ['a'] },
        { name: 'y', passed: ['b'], version: 'every' },
        { name: 'z', passed: ['a', 'b'] },
        { name: 'w', passed: ['c'] },
      ],
    }),
    expect: { ok: true, hasNext: true, inputs: { y: { passedBuildIds: [4] }, z: { passedBuildIds: [1, 4] } } },
  },
  {
    name: 'uses the next version for every, though newer ones wait',
    given: world({
      versions: { x: 'x1 x2! x3 x4' },
      builds: ['1 current: | x1'],
      inputs: [{ name: 'x', version: 'every' }],
    }),
    expect: { ok: true, hasNext: true, inputs: { x: { version: 'x3', firstOccurrence: true } } },
  },
];
