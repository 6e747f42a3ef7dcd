/** What every task of the torture prints, byte for byte: numbered lines over a second, and a last one without a newline. */
export const LINES_PER_TASK = 40;
export const EXPECTED_OUTPUT =
  Array.from({ length: LINES_PER_TASK }, (_, i) => `line ${i + 1} of ${LINES_PER_TASK} — ünïcode\n`).join('') +
  'the end';

/** Each process writes its working folder, which names its step, into the ledger: once per step, or it ran twice. */
const script = (ledger: string, end = 'exit 0'): string =>
  [
    `echo "$PWD" >> ${ledger}`,
    'i=0',
    `while [ $i -lt ${LINES_PER_TASK} ]; do i=$((i+1)); echo "line $i of ${LINES_PER_TASK} — ünïcode"; sleep 0.02; done`,
    `printf 'the end'`,
    end,
  ].join('; ');
const task = (name: string, ledger: string, end?: string): string =>
  JSON.stringify({ task: name, config: { platform: 'linux', run: { path: 'sh', args: ['-c', script(ledger, end)] } } });

const git = (uri: string): string => `{name: app, type: git, source: {uri: "${uri}", branch: main}}`;

export const PIPELINES: readonly { name: string; yaml: (uri: string, ledger: string) => string }[] = [
  {
    name: 'chain',
    yaml: (uri, ledger) => `
resources: [${git(uri)}, {name: out, type: mock, source: {}}]
jobs:
- name: test
  plan: [{get: app, trigger: true}, ${task('unit', ledger)}]
- name: deploy
  plan: [{get: app, passed: [test], trigger: true}, ${task('ship', ledger)}, {put: out, params: {version: shipped}}]
`,
  },
  {
    name: 'parallel',
    yaml: (_uri, ledger) => `
resources: [{name: clock, type: time, source: {interval: 3s}}]
jobs:
- name: wide
  max_in_flight: 2
  plan:
  - {get: clock, trigger: true}
  - in_parallel: [${task('one', ledger)}, ${task('two', ledger)}, ${task('three', ledger)}]
  ensure: ${task('always', ledger)}
`,
  },
  {
    name: 'retries',
    yaml: (uri, ledger) => `
resources: [${git(uri)}]
jobs:
- name: stubborn
  serial: true
  plan:
  - {get: app, trigger: true}
  - {try: ${task('fails', ledger, 'exit 3')}}
  - ${task('second-time-lucky', ledger, `mark=${ledger}.$(dirname "$PWD" | xargs basename | sed "s/-a.*//"); if [ -e $mark ]; then exit 0; else touch $mark; exit 1; fi`).replace(/}$/, ', "attempts": 2}')}
`,
  },
  {
    name: 'fan-in',
    yaml: (uri, ledger) => `
resources: [${git(uri)}]
jobs:
- {name: left, plan: [{get: app, trigger: true}, ${task('left', ledger)}]}
- {name: right, plan: [{get: app, trigger: true}, ${task('right', ledger)}]}
- {name: join, serial_groups: [end], plan: [{get: app, passed: [left, right], trigger: true}, ${task('join', ledger)}]}
- {name: tail, serial_groups: [end], plan: [{get: app, passed: [join], trigger: true}, ${task('tail', ledger)}]}
`,
  },
  {
    name: 'hooks',
    yaml: (uri, ledger) => `
resources: [${git(uri)}]
jobs:
- name: red
  plan:
  - {get: app, trigger: true}
  - do: [${task('breaks', ledger, 'exit 1')}]
    on_failure: ${task('notify', ledger)}
    ensure: ${task('clean', ledger)}
`,
  },
];

/** The pipeline with an image for each of its tasks: what a git repository holds below `rootfs/`. */
export function withImage(yaml: string, uri: string): string {
  const platform = '"config":{"platform":"linux"';
  return yaml.replaceAll(platform, `${platform},"image_resource":{"type":"git","source":{"uri":"${uri}"}}`);
}
