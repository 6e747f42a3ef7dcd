import { describe, expect, it } from '@jest/globals';
import { formatProblem, parsePipeline, parseTaskConfig, validatePipelineConfig } from './index.js';

const GOOD = `
resources:
- {name: repo, type: git, source: {uri: x}}
- {name: out, type: git}
jobs:
- name: test
  plan:
  - get: repo
    trigger: true
- name: deploy
  plan:
  - {get: repo, passed: [test]}
  - {task: build, file: repo/ci/build.yml}
  - {put: out}
`;

const told = (text: string): string[] => {
  const { config, problems } = parsePipeline(text, { file: 'p.yml' });
  expect(config === undefined).toBe(problems.length > 0);
  return problems.map(formatProblem);
};
/** A pipeline whose one job has this plan, with the steps from line 7 on. */
const planned = (steps: string): string =>
  `resources:\n- {name: repo, type: git}\njobs:\n- name: up\n  plan: [{get: repo}]\n- name: j\n  plan: [${steps}]\n`;

describe('reading a pipeline', () => {
  it('gives what was written, without defaults, nulls and extra top-level keys', () => {
    const { config } = parsePipeline(`
anchors: {a: &git {type: git}}
resources: [{<<: *git, name: r, source: ~}]
jobs: [{name: 1, serial: yes, plan: [{get: r, params: {n: 012, at: 9:30, day: 2020-01-02}}]}]
groups:
`);
    expect(config).toEqual({
      resources: [{ type: 'git', name: 'r' }],
      jobs: [{ name: '1', serial: true, plan: [{ get: 'r', params: { n: 10, at: '9:30', day: '2020-01-02' } }] }],
    });
  });

  it('takes nothing without digits for a number', () => {
    const { config } = parsePipeline('jobs: [{name: e2}]\nuser_data: {dot: ., e: e-2, under: ._, float: 1e2}');
    expect(config).toEqual({ jobs: [{ name: 'e2' }], user_data: { dot: '.', e: 'e-2', under: '._', float: 100 } });
  });

  it('accepts JSON', () => {
    const { config } = parsePipeline(GOOD);
    expect(parsePipeline(JSON.stringify(config)).config).toEqual(config);
    expect(validatePipelineConfig(config).config).toEqual(config);
  });

  it('fills in template vars and leaves unknown ones', () => {
    const { config } = parsePipeline(GOOD.replace('uri: x', 'uri: ((u)), key: ((secret))'), {
      vars: { u: { deep: 1 } },
    });
    expect(config?.resources?.[0]?.source).toEqual({ uri: { deep: 1 }, key: '((secret))' });
  });

  it('refuses text that no row can hold, in keys as well', () => {
    expect(told(`${GOOD}\nuser_data:\n  a: "x\\0"\n  "\\0": 1\n  b: "\\ud800"`)).toEqual([
      'p.yml:17:6: user_data.a: text must not hold the NUL character',
      'p.yml:18:3: user_data: text must not hold the NUL character',
      'p.yml:19:6: user_data.b: text must be well-formed Unicode; half of a surrogate pair is none',
    ]);
  });

  it('tells all problems at once, in the order of the text', () => {
    expect(
      told(`
resources:
- {name: repo, tipe: git}
jobs:
- name: j
  serial: maybe
  plan:
  - {get: repoo}
  - {task: t}
`),
    ).toEqual([
      'p.yml:3:3: resources.repo: has no type',
      "p.yml:3:3: resources.repo: resource 'repo' is not used",
      "p.yml:3:16: resources.repo.tipe: unknown field 'tipe'; did you mean 'type'?",
      'p.yml:6:11: jobs.j.serial: must be true or false, not text',
      "p.yml:8:11: jobs.j.plan.do[0].get(repoo): unknown resource 'repoo'; did you mean 'repo'?",
      'p.yml:9:12: jobs.j.plan.do[1].task(t): must specify either `file:` or `config:`',
    ]);
  });

  it.each<[string, string, string | RegExp]>([
    ['a YAML syntax error', 'jobs:\n- name: [a\n', /^p\.yml:3:1: malformed config: /],
    ['an unknown anchor', 'jobs: *a', 'p.yml:1:7: jobs: no anchor &a stands before alias *a'],
    [
      'a duplicate key',
      GOOD + '\nresources: []',
      /^p\.yml:16:1: resources: duplicate key 'resources'; the first is in line 2$/,
    ],
    ['a list as a pipeline', '[1]', 'p.yml:1:1: a pipeline must be a map, not a list'],
    ['an empty text', '', 'p.yml:1:1: a pipeline must be a map, not empty'],
    ['no job', 'resources: []', 'p.yml:1:1: pipeline must contain at least one job'],
    [
      'a number that would change',
      'jobs: [{name: a}]\nuser_data: 12345678901234567890',
      /^p\.yml:2:12: user_data: the number .* in quotes$/,
    ],
    [
      'two jobs of one name',
      'jobs: [{name: a}, {name: a}]',
      "p.yml:1:26: jobs.a.name: jobs[0] and jobs[1] have the same name ('a')",
    ],
    ['a job without a name', 'jobs: [{}]', 'p.yml:1:8: jobs[0]: has no name'],
    [
      'a cycle',
      GOOD.replace('  - get: repo\n', '  - get: repo\n    passed: [deploy]\n'),
      "p.yml:6:3: jobs.test: pipeline contains a cycle that starts at job 'test'; test needs deploy needs test",
    ],
    [
      'a job that waits for itself',
      planned('{get: repo, passed: [j]}'),
      "p.yml:6:3: jobs.j: pipeline contains a cycle that starts at job 'j'; j needs j",
    ],
    [
      'an unknown passed job',
      planned('{get: repo, passed: [uq]}'),
      "p.yml:7:31: jobs.j.plan.do[0].get(repo).passed[0]: unknown job 'uq'; did you mean 'up'?",
    ],
    [
      'a repeated get',
      planned('{get: repo}, {get: repo}'),
      "p.yml:7:29: jobs.j.plan.do[1].get(repo): repeated name 'repo'",
    ],
    ['no step', planned('{}'), /^p\.yml:7:10: jobs\.j\.plan\.do\[0\]: no step configured; a step has one of run, task/],
    ['only modifiers', planned('{attempts: 2}'), /no core step type declared/],
    ['two steps in one', planned('{get: repo, put: repo}'), /unknown field 'get'; 'put' and 'get' are two steps/],
    [
      'a number as text in a step',
      planned('{get: repo, tags: [1]}'),
      'p.yml:7:29: jobs.j.plan.do[0].get(repo).tags[0]: must be text, not a number; put it in quotes',
    ],
    [
      'an unquoted version',
      planned('{get: repo, version: {v: 1.1}}'),
      'p.yml:7:35: jobs.j.plan.do[0].get(repo).version.v: the value 1.1 of v is not a string; put it in quotes',
    ],
    [
      'a task with both',
      planned('{task: t, file: a/b, config: {platform: linux}}'),
      /task\(t\): must specify one of `file:` or `config:`, not both/,
    ],
    [
      'a task config without platform',
      planned('{task: t, config: {run: {path: ls}}}'),
      "p.yml:7:28: jobs.j.plan.do[0].task(t).config: missing 'platform'",
    ],
    [
      'an unnamed input',
      planned('{task: t, config: {platform: linux, inputs: [{path: a}]}}'),
      /config\.inputs\[0\]: input in position 0 is missing a name/,
    ],
    [
      'a bad duration',
      planned('{try: {get: repo, timeout: 5}}'),
      /^p\.yml:7:37: jobs\.j\.plan\.do\[0\]\.try\.get\(repo\)\.timeout: must be text|invalid duration/,
    ],
    [
      'a cache that ends at once',
      planned('{task: t, config: {platform: linux, caches: [{path: c, ttl: 10ms}], run: {path: x}}}'),
      /config\.caches\[0\]\.ttl: must be at least 1s/,
    ],
    [
      'zero attempts',
      planned('{do: [{get: repo}], attempts: 0}'),
      'p.yml:7:40: jobs.j.plan.do[0].attempts: must be greater than 0',
    ],
    [
      'a condition that is none',
      planned('{get: repo, when: branch == 1}'),
      'p.yml:7:28: jobs.j.plan.do[0].when: not a condition: Unknown variable: branch',
    ],
    [
      'a hook',
      planned('{get: repo, on_failure: {in_parallel: [{put: x}]}}'),
      "p.yml:7:55: jobs.j.plan.do[0].on_failure.in_parallel.steps[0].put(x): unknown resource 'x'",
    ],
    [
      'a set_pipeline without file',
      planned('{set_pipeline: p}'),
      'p.yml:7:25: jobs.j.plan.do[0].set_pipeline(p): no file specified',
    ],
    [
      'a load_var twice',
      planned('{load_var: v, file: a/b}, {load_var: v, file: a/b}'),
      "p.yml:7:47: jobs.j.plan.do[1].load_var(v): repeated var name 'v'",
    ],
    [
      'across without vars',
      planned('{across: [], get: repo}'),
      'p.yml:7:19: jobs.j.plan.do[0].across: no vars specified',
    ],
    [
      'an unknown key of across',
      planned('{across: [{var: v, values: [1], max: 1}], get: repo}'),
      /across\[0\]\.max: unknown field 'max'/,
    ],
    [
      'an unknown prototype',
      planned('{run: go, type: p}'),
      "p.yml:7:26: jobs.j.plan.do[0].run(go).type: unknown prototype 'p'",
    ],
    [
      'a job in no group',
      `${GOOD}groups: [{name: g, jobs: [te*]}]`,
      "p.yml:10:3: jobs.deploy: job 'deploy' belongs to no group; with groups, every job must be in one",
    ],
    [
      'a glob of a group that matches nothing',
      `${GOOD}groups: [{name: g, jobs: ['*', 'x*']}]`,
      "p.yml:15:32: groups.g.jobs[1]: no jobs match 'x*' for group 'g'",
    ],
    [
      'a broken glob',
      `${GOOD}groups: [{name: g, jobs: ['*', '[']}]`,
      "p.yml:15:32: groups.g.jobs[1]: invalid glob expression '[' for group 'g'",
    ],
    [
      'retention',
      'jobs: [{name: a, build_log_retention: {builds: 1, minimum_succeeded_builds: 2}}]',
      /minimum_succeeded_builds \(2\) must not be greater than builds \(1\)/,
    ],
    [
      'an unknown var source type',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: valt}]',
      "p.yml:2:31: var_sources.v.type: unknown credential manager type: valt; did you mean 'vault'?",
    ],
    [
      'a var source type that is for the server only',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: kubernetes}]',
      'p.yml:2:31: var_sources.v.type: unknown credential manager type: kubernetes',
    ],
    [
      'a vault that nobody can log in to',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: vault, config: {url: "https://v"}}]',
      'p.yml:2:46: var_sources.v.config: needs client_token, or auth_backend with auth_params',
    ],
    [
      'a vault without its address',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: vault, config: {client_token: ((t))}}]',
      'p.yml:2:46: var_sources.v.config: has no url',
    ],
    [
      'an unknown key of a var source',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: vault, config: {url: "https://v", client_token: ((t)), path_prefx: x}}]',
      "p.yml:2:86: var_sources.v.config.path_prefx: unknown field 'path_prefx'; did you mean 'path_prefix'?",
    ],
    [
      'an address with a password',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: vault, config: {url: "https://u:hidden@v", client_token: ((t))}}]',
      'p.yml:2:52: var_sources.v.config.url: must be a plain address, without user, query or fragment',
    ],
    [
      'a path template that names something else',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: ssm, config: {region: r, access_key: a, secret_key: b, team_secret_template: "/{{.Job}}/{{.Secret}}"}}]',
      'p.yml:2:108: var_sources.v.config.team_secret_template: knows {{.Team}}, {{.Pipeline}} and {{.Secret}} only',
    ],
    [
      "a pipeline that wants to be the server's machine",
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: secretsmanager, config: {region: r}}]',
      "p.yml:2:55: var_sources.v.config: needs access_key and secret_key; the identity of the server's machine is for the server's own credential manager",
    ],
    [
      'a token that lives too long',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: idtoken, config: {expires_in: 25h}}]',
      'p.yml:2:61: var_sources.v.config.expires_in: must be from 1s to 24h',
    ],
    [
      'a token signed in another way',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: idtoken, config: {algorithm: HS256}}]',
      "p.yml:2:60: var_sources.v.config.algorithm: must be one of RS256, ES256, not 'HS256'; did you mean 'RS256'?",
    ],
    [
      'a dummy var source without vars',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: dummy}]',
      "p.yml:2:15: var_sources.v: a dummy var source needs 'config: {vars: …}', a map",
    ],
    [
      'var sources in a circle',
      'jobs: [{name: a}]\nvar_sources: [{name: v, type: dummy, config: {vars: {a: ((w:x))}}}, {name: w, type: dummy, config: {vars: {a: ((v:x))}}}]',
      /inter-dependent var sources; v needs w needs v/,
    ],
    [
      'a background that is no picture of the web',
      'jobs: [{name: a}]\ndisplay: {background_image: "file:///x"}',
      'p.yml:2:29: display.background_image: background_image scheme must be either http, https or relative',
    ],
    ['text before a var that is a list', 'jobs: [{name: a-((l))}]', /cannot interpolate/],
  ])('refuses %s', (_what, text, expected) => {
    const problems = text.includes('((l))')
      ? parsePipeline(text, { file: 'p.yml', vars: { l: [] } }).problems.map(formatProblem)
      : told(text);
    if (typeof expected === 'string') expect(problems).toEqual([expected]);
    else {
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(expected);
    }
  });

  it('refuses a passed job that does not touch the resource', () => {
    expect(
      told(
        GOOD.replace('{put: out}', '{put: out}, {get: other, resource: out, passed: [te*]}').replace(
          '- {put: out},',
          '- {put: out}\n  -',
        ),
      ),
    ).toEqual([
      "p.yml:15:42: jobs.deploy.plan.do[3].get(other).passed[0]: job 'test' does not interact with resource 'out'",
    ]);
  });

  it.each<[string, string, string, string]>([
    ['an unusual name', 'jobs: [{name: A}]', 'invalid_identifier', 'jobs.A.name'],
    ['a near miss at the top', 'jobs: [{name: a}]\nresource: []', 'unknown_field', 'resource'],
    [
      'the old retention',
      'jobs: [{name: a, build_logs_to_retain: 3}]',
      'deprecated_field',
      'jobs.a.build_logs_to_retain',
    ],
    [
      'a source that is new at every check',
      `${GOOD.replace('uri: x', 'uri: ((t:token))')}\nvar_sources: [{name: t, type: idtoken}]`,
      'pipeline',
      'resources.repo.source',
    ],
    [
      'a var that hides another',
      planned('{load_var: v, file: a/b}, {across: [{var: v, values: [1]}], get: repo}'),
      'var_shadowed',
      'jobs.j.plan.do[1].across[0].var',
    ],
    [
      'a key that Concourse ignores',
      planned('{task: t, config: {platform: linux, run: {path: ls, arg: []}}}'),
      'unknown_field',
      'jobs.j.plan.do[0].task(t).config.run.arg',
    ],
  ])('warns of %s', (_what, text, type, path) => {
    const { problems, warnings } = parsePipeline(text);
    expect(problems).toEqual([]);
    expect(warnings.map((warning) => [warning.type, warning.path])).toEqual([[type, path]]);
    expect(warnings[0]!.line).toBeGreaterThan(0);
  });

  it('finds places behind aliases and merges', () => {
    expect(told('x: &x {serial: 3}\njobs: [{name: a, <<: *x}]')).toEqual([
      'p.yml:1:16: jobs.a.serial: must be true or false, not a number',
    ]);
  });

  it.each([
    ['deep nesting', `jobs: ${'['.repeat(50_000)}`],
    ['a deep plan', `jobs: [{name: a, plan: ${'[{do: '.repeat(300)}${'}]'.repeat(300)}}]`],
    [
      'a bomb of aliases',
      `a: &a [1,1,1,1,1,1,1,1,1]\n${'bcdefghij'.replace(/./g, (c) => `${c}: &${c} [${`*${String.fromCharCode(c.charCodeAt(0) - 1)},`.repeat(9)}]\n`)}jobs: *j`,
    ],
    ['an alias of itself', 'jobs: &a [*a]'],
    [
      'a huge map of wrong keys',
      `jobs:\n- name: a\n${Array.from({ length: 20_000 }, (_, i) => `  k${i}: 1`).join('\n')}`,
    ],
    ['binary', '\0\u0001\ufeff%YAML 9\n---'],
  ])('survives %s', (_what, text) => {
    const before = process.cpuUsage();
    const { problems } = parsePipeline(text);
    expect(problems.length).toBeGreaterThan(0);
    for (const { line, column } of problems) expect(Math.min(line!, column!)).toBeGreaterThan(0);
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000);
  });
});

describe('reading a task file', () => {
  it('gives the config', () => {
    const text = 'platform: linux\nparams: {A: 1, B:}\nrun: {path: sh, args: [-c, "x"]}';
    expect(parseTaskConfig(text).config).toEqual({
      platform: 'linux',
      params: { A: 1, B: null },
      run: { path: 'sh', args: ['-c', 'x'] },
    });
  });

  it('makes text of numbers and booleans, as outside of steps', () => {
    const text = 'platform: linux\nrun: {path: sleep, args: [5, true]}';
    expect(parseTaskConfig(text).config?.run).toEqual({ path: 'sleep', args: ['5', 'true'] });
  });

  it('tells all problems with their places', () => {
    expect(
      parseTaskConfig('platfrom: linux\nrun: {args: [{}]}', { file: 't.yml' }).problems.map(formatProblem),
    ).toEqual([
      "t.yml:1:1: missing 'platform'",
      "t.yml:1:1: platfrom: unknown field 'platfrom'; did you mean 'platform'?",
      't.yml:2:14: run.args[0]: must be text, not a map',
    ]);
  });
});
