import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { JOB_VAR_TYPES, type JobVarConfig, type JobVarType } from '../../model/index.js';
import { formatProblem, jobVarProblems, parsePipeline } from './index.js';

/** A pipeline whose job has these vars, in line 4, and this plan, in line 5. */
const withVars = (vars: string, steps = ''): string =>
  `resources: [{name: repo, type: git}]\njobs:\n- name: j\n  vars: [${vars}]\n  plan: [${steps}]\n- {name: k, plan: [{get: repo}]}\n`;

describe('the vars of a job', () => {
  it('are kept as they are written', () => {
    const vars = [
      { name: 'customer', type: 'string', required: true, description: 'Whose site' },
      { name: 'full', type: 'boolean', default: false },
      { name: 'count', type: 'number', default: 3, options: [1, 2.5, 3] },
      { name: 'tags', type: 'list', default: [] },
      { name: 'extra', type: 'map', options: [{}, { a: [1] }], default: { a: [1] } },
      { name: 'given', type: 'string' },
    ];
    const { config, warnings } = parsePipeline(withVars(JSON.stringify(vars).slice(1, -1), '{get: repo}'));
    expect([config?.jobs[0]?.vars, warnings]).toEqual([vars, []]);
  });

  it.each<[string, string, string]>([
    ['no name', withVars('{type: map}'), '4:10: jobs.j.vars[0]: has no name'],
    ['no type', withVars('{name: v}'), '4:10: jobs.j.vars[0]: has no type'],
    [
      'an unknown type',
      withVars('{name: v, type: strin}'),
      "4:26: jobs.j.vars[0].type: must be one of string, number, boolean, list, map, not 'strin'; did you mean 'string'?",
    ],
    [
      'an unknown key',
      withVars('{name: v, type: string, option: [a]}'),
      "4:34: jobs.j.vars[0].option: unknown field 'option'; did you mean 'options'?",
    ],
    [
      'a name twice',
      withVars('{name: v, type: map}, {name: v, type: map}'),
      "4:39: jobs.j.vars[1].name: repeated var name 'v'",
    ],
    [
      'an empty name',
      withVars('{name: "", type: map}'),
      '4:17: jobs.j.vars[0].name: identifier cannot be an empty string',
    ],
    [
      'a name with a dot',
      withVars('{name: a.b, type: string}'),
      "4:17: jobs.j.vars[0].name: ((.:a.b)) does not name a var 'a.b'; use letters, digits, - and _: what follows a dot is a field of the value",
    ],
    [
      'a name with a space',
      withVars('{name: a b, type: string}'),
      "4:17: jobs.j.vars[0].name: ((.:a b)) does not name a var 'a b'; use letters, digits, - and _: what follows a dot is a field of the value",
    ],
    [
      'a default of another type',
      withVars('{name: v, type: number, default: "3"}'),
      '4:43: jobs.j.vars[0].default: must be a number, not text',
    ],
    [
      'an option of another type',
      withVars('{name: v, type: string, options: [a, 2]}'),
      '4:47: jobs.j.vars[0].options[1]: must be text, not a number',
    ],
    [
      'a default that is no option',
      withVars('{name: v, type: string, options: [a, b], default: c}'),
      '4:60: jobs.j.vars[0].default: must be one of its options: a, b',
    ],
    [
      'no options at all',
      withVars('{name: v, type: string, options: []}'),
      '4:43: jobs.j.vars[0].options: is empty, so the var could have no value',
    ],
    [
      'a default that is never used',
      withVars('{name: v, type: boolean, required: true, default: false}'),
      "4:45: jobs.j.vars[0].required: has a 'default', so it can never be missing; leave one of 'required' and 'default' out",
    ],
    [
      'defaults without measure',
      withVars(`{name: v, type: string, default: ${'x'.repeat(70_000)}}`),
      '4:9: jobs.j.vars: the defaults: more than 64 KiB; put large values into a file or a resource',
    ],
    [
      'a required one where a get triggers',
      withVars('{name: v, type: string, required: true}', '{do: [{get: repo, trigger: true}]}'),
      "5:37: jobs.j.plan.do[0].do[0].get(repo).trigger: nobody gives an automatic build the required var 'v'; give the var a default instead of 'required', or leave the trigger out",
    ],
    [
      'a load_var of the name',
      withVars('{name: v, type: string}', '{load_var: v, file: a/b}'),
      "5:21: jobs.j.plan.do[0].load_var(v): repeated var name 'v'",
    ],
    [
      'a get of the name',
      withVars('{name: repo, type: string}', '{try: {get: repo}}'),
      "5:22: jobs.j.plan.do[0].try.get(repo): repeated var name 'repo'; the job has a var of that name, which the metadata of the get would replace",
    ],
    [
      'a put of the name, with its get',
      withVars('{name: repo, type: string}', '{put: repo}'),
      "5:16: jobs.j.plan.do[0].put(repo): repeated var name 'repo'; the job has a var of that name, which the metadata of the get would replace",
    ],
  ])('are refused with %s', (_what, text, expected) => {
    expect(parsePipeline(text).problems.map(formatProblem)).toEqual([expected]);
  });

  it('may be optional where a get triggers, and have the name of a put without its get', () => {
    const steps = '{get: repo, trigger: true}, {put: out, resource: repo, no_get: true}';
    const { problems } = parsePipeline(withVars('{name: out, type: string}', steps));
    expect(problems).toEqual([]);
  });

  it.each([
    ['an unusual name', withVars('{name: Vee, type: string}'), 'jobs.j.vars[0].name'],
    [
      'a var that is hidden in an across',
      withVars('{name: v, type: string}', '{across: [{var: v, values: [1]}], get: repo}'),
      'jobs.j.plan.do[0].across[0].var',
    ],
    [
      'a default that nothing will fill in',
      withVars('{name: v, type: string, default: ((later))}'),
      'jobs.j.vars[0].default',
    ],
  ])('are warned of: %s', (_what, text, path) => {
    const { problems, warnings } = parsePipeline(text);
    expect([problems, warnings.map((warning) => warning.path)]).toEqual([[], [path]]);
  });

  it('take template vars in defaults', () => {
    const { config, warnings } = parsePipeline(withVars('{name: v, type: number, default: ((n))}'), {
      vars: { n: 7 },
    });
    expect([config?.jobs[0]?.vars?.[0]?.default, warnings]).toEqual([7, []]);
  });
});

const VALUES: Readonly<Record<JobVarType, fc.Arbitrary<unknown>>> = {
  string: fc.string(),
  number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  boolean: fc.boolean(),
  list: fc.array(fc.jsonValue()),
  map: fc.dictionary(fc.string(), fc.jsonValue()),
};
const type = fc.constantFrom(...JOB_VAR_TYPES);

describe('values given for a build', () => {
  it('of the declared type pass, whatever they are', () => {
    const typed = type.chain((each) => VALUES[each].map((value) => [each, value] as const));
    fc.assert(
      fc.property(typed, ([declared, value]) => {
        expect(jobVarProblems([{ name: 'v', type: declared }], { v: value })).toEqual([]);
        expect(jobVarProblems([{ name: 'v', type: declared, required: true }], { v: value })).toEqual([]);
      }),
    );
  });

  it('of another type do not', () => {
    const mistyped = fc
      .tuple(type, type)
      .filter(([declared, other]) => declared !== other)
      .chain(([declared, other]) => fc.tuple(fc.constant(declared), fc.oneof(VALUES[other], fc.constant(null))));
    fc.assert(
      fc.property(mistyped, ([declared, value]) => {
        const problems = jobVarProblems([{ name: 'v', type: declared }], { v: value });
        expect(problems).toEqual([{ path: 'vars.v', message: expect.stringMatching(/^must be .*, not /) }]);
      }),
    );
  });

  const declared: readonly JobVarConfig[] = [
    { name: 'customer', type: 'string', required: true, description: 'Whose site' },
    { name: 'region', type: 'string', options: ['europe', 'america'], default: 'europe' },
    { name: 'count', type: 'number', default: 3 },
    { name: 'constructor', type: 'list' },
  ];

  it('are told wrong all at once', () => {
    expect(jobVarProblems(declared, { regoin: 'europe', region: 'europa', count: '3', hasOwnProperty: 1 })).toEqual([
      {
        path: 'vars.regoin',
        message: 'the job has no such var; it has customer, region, count, constructor; did you mean "region"?',
      },
      { path: 'vars.region', message: 'must be one of europe, america; did you mean "europe"?' },
      { path: 'vars.count', message: 'must be a number, not text' },
      { path: 'vars.hasOwnProperty', message: 'the job has no such var; it has customer, region, count, constructor' },
      { path: 'vars.customer', message: 'is required: text (Whose site)' },
    ]);
    expect(jobVarProblems([], { x: 1 })).toEqual([{ path: 'vars.x', message: 'the job has no vars' }]);
  });

  it('may be left out where a default or nothing stands for them', () => {
    expect(jobVarProblems(declared, { customer: '' })).toEqual([]);
  });

  it('are refused when no row could hold them as they are', () => {
    const infinite: unknown = JSON.parse('[1, {"a": 1e999}]');
    expect(jobVarProblems(declared, { customer: 'x', constructor: infinite })).toMatchObject([
      { path: 'vars.constructor', message: 'holds a number that is too large' },
    ]);
    expect(jobVarProblems(declared, { customer: 'é'.repeat(40_000), x: 1 })).toEqual([
      { path: 'vars', message: 'more than 64 KiB; put large values into a file or a resource' },
    ]);
  });
});
