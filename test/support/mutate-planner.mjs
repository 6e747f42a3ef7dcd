/**
 * Breaks each rule of the planner in turn, in a copy, and shows that a test notices. Exit code 1 if one goes unnoticed.
 * `npm run test:planner-mutations` runs all; `-- <part of a name>` only those.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const FREE = 'src/planner/free-input.ts';
const GROUP = 'src/planner/group.ts';
const SEARCH = 'src/planner/group-search.ts';
const STATE = 'src/planner/group-state.ts';
const KNOWLEDGE = 'src/planner/group-knowledge.ts';
const LIST = 'src/planner/build-list.ts';
const PASSED = 'src/planner/passed.ts';
const PLAN = 'src/planner/plan-inputs.ts';

/** [what is broken, file, text, what stands there instead] */
const MUTATIONS = [
  [
    'equal versions of two resources are taken for one',
    KNOWLEDGE,
    'new PairMap<KnownVersion>()',
    'new (class extends PairMap {\n    get(pair) { return super.get({ ...pair, resourceId: 1 }); }\n    set(pair, value) { super.set({ ...pair, resourceId: 1 }, value); }\n  })()',
  ],
  [
    'a missing pin of a free input is no error',
    FREE,
    'newest === undefined ? pinnedNotFound(input.version.pinned) : found(newest)',
    'newest === undefined ? NO_VERSIONS : found(newest)',
  ],
  ['latest asks for every', FREE, "input.version === 'latest'", "input.version !== 'latest'"],
  [
    'latest and every share one error',
    FREE,
    'return newestUsable === null ? NO_VERSIONS_EVERY',
    'return newestUsable === null ? NO_VERSIONS',
  ],
  ['every skips to the second unused version', FREE, 'const [next, second] = newer', 'const [second, next] = newer'],
  ['every never has a next one', FREE, 'found(next, second !== undefined)', 'found(next)'],
  ['every always has a next one', FREE, 'found(next, second !== undefined)', 'found(next, true)'],
  [
    'every does not fall back to what was used',
    FREE,
    'newestUsable === null ? NO_VERSIONS_EVERY : found(newestUsable)',
    'NO_VERSIONS_EVERY',
  ],
  ['a pin text shows only keys', FREE, '`${key}:${pin[key]}`', '`${key}`'],
  [
    'a missing pin is blamed on the whole group',
    GROUP,
    'if (only === undefined) missing.set(input, pinnedNotFound(pin));',
    'if (only === undefined) for (const each of inputs) missing.set(each, pinnedNotFound(pin));',
  ],
  [
    'a group with a missing pin says it has more',
    GROUP,
    "'row' in finding ? { ...finding, hasNext: false } : finding",
    'finding',
  ],
  [
    'groups stay joined by an input whose pin is missing',
    GROUP,
    'groupBySharedJobs(inputs.filter((input) => !missing.has(input)))',
    '[inputs.filter((input) => !missing.has(input))]',
  ],
  [
    'a missing pin in a group is not found out',
    GROUP,
    'if (only === undefined) missing.set(input, pinnedNotFound(pin));',
    'if (only === undefined) wanted[index] = null;',
  ],
  ['a partial pin takes its newest match only', GROUP, 'second === undefined ? only : null', 'only'],
  ['every in a group is latest', GROUP, "isEvery: version === 'every'", 'isEvery: false'],
  ['latest in a group is every', GROUP, "isEvery: version === 'every'", 'isEvery: true'],
  ['a disabled version passes', STATE, '!row?.enabled', '!row'],
  [
    'a partial pin is not compared',
    STATE,
    'pin !== null && !versionContains(row.version, pin)',
    'pin !== null && false',
  ],
  ['only the first version of a build counts', STATE, 'return offers;', 'return offers.slice(0, 1);'],
  ['the last version of a build is preferred', STATE, 'return offers;', 'return offers.reverse();'],
  [
    'inputs are chosen without asking what other inputs of the job took',
    STATE,
    '(other === input || this.ways[other]?.includes(job))',
    'other === input',
  ],
  [
    'an input takes no version from a build chosen for another',
    STATE,
    '(i !== input && !this.ways[i]?.includes(job))',
    'i !== input',
  ],
  [
    'builds need not hold the version together',
    STATE,
    '? build.versions[pair.resourceId]?.includes(pair.digest)',
    '? true',
  ],
  [
    'the highest job goes first',
    SEARCH,
    'const lowest = this.state.firstOpen(way);',
    'const lowest = this.state.firstOpen(way.toReversed());',
  ],
  ['every does not wait for the job that knows where to go on', SEARCH, 'return known ?? lowest;', 'return lowest;'],
  [
    'every starts from the beginning',
    STATE,
    'this.inputs[input]?.isEvery ? this.lastUse?.get(this.jobs[job] as JobId) : undefined',
    'undefined',
  ],
  [
    'the last use is forgotten when the first input has none',
    SEARCH,
    'yield* this.knowledge.lastUseOf(this.plannedJob, wanted.resourceId) :',
    '((yield* this.knowledge.lastUseOf(this.plannedJob, wanted.resourceId)) ?? new Map()) :',
  ],
  ['the last use comes from the newest input', SEARCH, 'this.hasEvery && lastUse === undefined', 'this.hasEvery'],
  [
    'of several pipes the oldest counts',
    KNOWLEDGE,
    'comparePlaces(known, place) < 0',
    'comparePlaces(known, place) > 0',
  ],
  ['has-next in every group', SEARCH, 'entry?.rank === 0', 'entry !== undefined && entry.rank < 2'],
  ['no has-next in groups', SEARCH, 'entry?.rank === 0', 'entry?.rank === 3'],
  ['only the last build vouches', SEARCH, '(ways[input] as Way).map(', '(ways[input] as Way).slice(-1).map('],
  [
    'the first way of any is the only one',
    SEARCH,
    'const heads = (state.allWays[input] ?? []).map(',
    'const heads = (state.allWays[input] ?? []).slice(0, 1).map(',
  ],
  [
    'ways of any go one after the other',
    SEARCH,
    'rival === undefined || compareEntries(entry, rival) < 0',
    'rival === undefined',
  ],
  ['states with other builds count as equal', STATE, '[key, chosen, taken]', '[key, chosen]'],
  [
    'states with other versions count as equal',
    STATE,
    "version !== undefined && this.isOpen(i) ? `|${version.number}` : '|'",
    "'|'",
  ],
  ['one failed build ends the search', SEARCH, 'if (yield* this.solve()) return true;', 'return yield* this.solve();'],
  [
    'builds go oldest first',
    LIST,
    "[{ rank: 1, order: 'newest first', after: null, until: null }]",
    "[{ rank: 1, order: 'oldest first', after: null, until: null }]",
  ],
  [
    'unused builds go newest first',
    LIST,
    "order: 'oldest first', after: endOfPlace, until: null",
    "order: 'newest first', after: null, until: endOfPlace",
  ],
  [
    'the build used last counts as unused',
    LIST,
    "{ rank: 0, order: 'oldest first', after: endOfPlace",
    "{ rank: 0, order: 'oldest first', after: [root, id - 1]",
  ],
  ['the build used last is not used again', LIST, 'after: [root, id + 1]', 'after: [root, id]'],
  [
    'reruns of the build used last are never tried',
    LIST,
    'if (!isRerun) stretches.push(',
    'if (false) stretches.push(',
  ],
  ['reruns of the build used last count as unused', LIST, '[root, Number.MAX_SAFE_INTEGER]', '[root, id]'],
  [
    'a build newer than a used rerun is not unused',
    LIST,
    'isRerun ? last :',
    'isRerun ? [root, Number.MAX_SAFE_INTEGER] :',
  ],
  ['only the first page is read', LIST, 'if (isLast) {', 'if (isLast !== null) {'],
  ['ranks do not matter between ways', LIST, 'a.rank - b.rank ||', '0 ||'],
  [
    'any is all',
    PASSED,
    "if ('any' in passed) return passed.any.flatMap(expand);",
    "if ('any' in passed) return expand({ all: passed.any });",
  ],
  [
    'all is any',
    PASSED,
    '  return passed.all\n    .map(expand)\n    .reduce',
    '  if (passed) return passed.all.flatMap(expand);\n  return passed.all\n    .map(expand)\n    .reduce',
  ],
  [
    'jobs go in the order written',
    PASSED,
    'expand(passed).map(ascending)',
    'expand(passed).map((jobs) => [...new Set(jobs)])',
  ],
  ['ways that ask for more stay', PASSED, 'other !== jobs && other.every((job) => jobs.includes(job))', 'false'],
  ['a bridging input joins the first group only', PASSED, 'if (other === home) continue;', 'if (home) break;'],
  ['every input is its own group', PASSED, 'if (home === undefined) {', 'if (home === undefined || jobs) {'],
  ['all inputs are one group', PASSED, '(group) => namesAny(group.jobs, jobs));\n    if', '(group) => true);\n    if'],
  ['groups keep no order', PASSED, 'inputs.filter((input) => group.inputs.includes(input))', 'group.inputs'],
  ['everything is a first occurrence', PLAN, '=== false;', '!== null;'],
  ['nothing is a first occurrence', PLAN, '=== false;', '=== null;'],
  [
    'one resolved input is enough',
    PLAN,
    "inputs.every((input) => !('error' in input))",
    "inputs.some((input) => !('error' in input))",
  ],
  [
    "has-next of one input is not the job's",
    PLAN,
    "some((finding) => 'row' in finding && finding.hasNext)",
    "every((finding) => 'row' in finding && finding.hasNext)",
  ],
  [
    'lists of plain jobs are any of them',
    PASSED,
    '[passed.all.map(({ job }) => job)]',
    'passed.all.map(({ job }) => [job])',
  ],
  ['sorted ids are turned round', PASSED, '(sorted[place - 1] as Id) >= id', '(sorted[place - 1] as Id) <= id'],
  ['sorted ids are kept twice', PASSED, 'if (place < count && sorted[place] === id) continue;', ''],
  [
    'what was asked ahead and not answered has not passed',
    KNOWLEDGE,
    'const passed = answers[at++] as readonly boolean[] | null;\n      if (passed === null) continue;',
    'const passed = answers[at++] ?? [];',
  ],
  [
    'what was asked ahead and not answered is not there',
    KNOWLEDGE,
    'const rows = answers[at++] as readonly VersionRow[] | null;\n      if (rows === null) continue;',
    'const rows = answers[at++] ?? [];',
  ],
  [
    'of the versions that pass a list only the first is told apart',
    LIST,
    'if (this.narrower?.pairs.at(-1) === version.pair) return this.narrower;',
    'if (this.narrower) return this.narrower;',
  ],
  [
    'of a build with two versions for two inputs only one combination is tried',
    SEARCH,
    'n < countCombinations(offers)',
    'n < Math.min(1, countCombinations(offers))',
  ],
  ['passed is not looked at', PLAN, 'if (passed === null || alternatives === null)', 'if (passed !== undefined)'],
];

const root = path.resolve(import.meta.dirname, '../..');
const copy = mkdtempSync(path.join(os.tmpdir(), 'weir-mutants-'));
const wanted = process.argv[2] ?? '';

function prepareCopy() {
  for (const part of ['src/planner', 'src/model', 'src/cli', 'test/scenarios/planner'])
    cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
  mkdirSync(path.join(copy, 'test/support'), { recursive: true });
  for (const file of ['planner-oracle.ts', 'random-worlds.ts', 'compare-with-oracle.ts']) {
    cpSync(path.join(root, 'test/support', file), path.join(copy, 'test/support', file));
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  const { jest, type } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const { globalSetup, globalTeardown, ...config } = jest;
  const roots = ['<rootDir>/test/scenarios/planner'];
  writeFileSync(
    path.join(copy, 'package.json'),
    JSON.stringify({ type, jest: { ...config, roots, cacheDirectory: path.join(copy, '.cache') } }),
  );
}

/** @returns whether a test failed, and which. */
function runTests() {
  const jest = path.join(root, 'node_modules/jest/bin/jest.js');
  const args = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    jest,
    '--runInBand',
    '--bail',
    '--silent',
  ];
  const env = { ...process.env, WEIR_PLANNER_WORLDS: '4000', WEIR_PLANNER_PROPERTY_WORLDS: '100' };
  const run = spawnSync(process.execPath, args, { cwd: copy, env, encoding: 'utf8', timeout: 300_000 });
  return { failed: run.status !== 0, first: /● (.+)/.exec(run.stderr)?.[1] ?? `exit ${run.status ?? run.signal}` };
}

let unnoticed = 0;
try {
  prepareCopy();
  const clean = runTests();
  if (clean.failed) throw new Error(`the tests fail without a mutation: ${clean.first}`);
  const chosen = MUTATIONS.filter(([name]) => name.includes(wanted));
  for (const [name, file, text, instead] of chosen) {
    const target = path.join(copy, file);
    const original = readFileSync(target, 'utf8');
    if (original.split(text).length !== 2)
      throw new Error(`mutation "${name}": its text stands ${original.split(text).length - 1} times in ${file}`);
    writeFileSync(
      target,
      original.replace(text, () => instead),
    );
    const { failed, first } = runTests();
    writeFileSync(target, original);
    if (!failed) unnoticed++;
    console.log(`${failed ? 'noticed  ' : 'UNNOTICED'} ${name}${failed ? ` (${first})` : ''}`);
  }
  console.log(`${chosen.length} mutations, ${unnoticed} unnoticed`);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exitCode = unnoticed === 0 ? 0 : 1;
