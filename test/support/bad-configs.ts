/** A pipeline that is fine. */
export const GOOD_CONFIG = `resources:
- name: repo
  type: mock
  source: {}
jobs:
- name: build
  plan:
  - get: repo
`;

/** Acceptance A8: {@link GOOD_CONFIG} made bad, with line, column (0: not looked at) and words of the error. */
export const BAD_CONFIGS: readonly (readonly [
  title: string,
  yaml: string,
  line: number,
  column: number,
  words: RegExp,
])[] = [
  ['YAML syntax error', GOOD_CONFIG.replace('source: {}', 'source: {'), 5, 1, /./],
  ['duplicate key', GOOD_CONFIG.replace('  source: {}', '  source: {}\n  type: git'), 5, 3, /type/],
  ['unknown key', GOOD_CONFIG.replace('source: {}', 'sorce: {}'), 4, 3, /sorce.*source/s],
  [
    'unknown resource in get',
    GOOD_CONFIG.replace('get: repo', 'get: repoo'),
    8,
    10,
    /unknown resource 'repoo'.*'repo'/s,
  ],
  [
    'cycle of passed',
    GOOD_CONFIG.replace('get: repo', 'get: repo\n    passed: [two]') +
      '- name: two\n  plan:\n  - get: repo\n    passed: [build]\n',
    9,
    0,
    /cycle/,
  ],
];
