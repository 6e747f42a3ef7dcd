import { randomInt, randomUUID } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  parseDurationMs,
  ResourceFailure,
  StepInterrupted,
  type FetchResult,
  type StepContext,
} from '../../src/resources/contract.js';
import { readStepFile, RemoteBranch, type FileChanges } from '../git/shared.js';
import { HOLDER, PoolState, STEP } from './pool-state.js';
import type { PoolPutParams, PoolSource } from './schema.js';

const RETRY_DELAY_MS = 10_000;
/** How long giving back a lock may take after the step was interrupted. */
const GIVE_BACK_MS = 8_000;
/** A push that lost the race is repeated after up to this long, so that claimers do not meet again. */
const MAX_RACE_DELAY_MS = 500;

/** What is to be done with the pool as it is: push changes, leave it as it is, or wait. */
type Move =
  | { readonly kind: 'push'; readonly lock: string; readonly message: string; readonly changes: FileChanges }
  | { readonly kind: 'done'; readonly lock: string; readonly ref: string }
  | { readonly kind: 'wait'; readonly reason: string };

type Step =
  { readonly kind: 'settled'; readonly result: FetchResult } | { readonly kind: 'again'; readonly afterMs: number };

interface Put {
  readonly context: StepContext;
  readonly source: PoolSource;
  readonly decide: (state: PoolState) => Promise<Move>;
  /** A claim is given back when the step is interrupted for good while it is being pushed. */
  readonly isClaim: boolean;
}

/**
 * Changes the pool by one commit, or waits for it to change. Every change is a push on top of the state it was decided
 * on, so git refuses all but one of several at once; the others decide anew.
 */
export async function putPool(
  context: StepContext,
  request: { readonly source: PoolSource; readonly params: PoolPutParams; readonly dir: string },
): Promise<FetchResult> {
  const { source, params, dir } = request;
  const put: Put = {
    context,
    source,
    decide: await decisionFor(params, dir, context, source),
    isClaim: params.acquire === true || params.claim !== undefined,
  };
  let told = '';
  const tell = (reason: string) => {
    if (reason !== told) context.log(`${reason}\n`);
    told = reason;
  };
  for (;;) {
    // The lock on the cache is not held while waiting, so others can work with the pool.
    const step = await RemoteBranch.use(context, source, {}, (branch) => tryOnce(put, branch, tell));
    if (step.kind === 'settled') return step.result;
    await delay(step.afterMs, undefined, { signal: context.signal });
  }
}

async function tryOnce(put: Put, branch: RemoteBranch, tell: (reason: string) => void): Promise<Step> {
  const { context, source, decide } = put;
  const state = await PoolState.fetch(branch, source);
  const before = await beforeCrash(put, state);
  const move = before ?? (await decide(state));
  if (move.kind === 'wait') {
    tell(move.reason);
    return { kind: 'again', afterMs: parseDurationMs(source.retry_delay ?? '') ?? RETRY_DELAY_MS };
  }
  if (move.kind === 'done') return settled(source, move.lock, move.ref);
  const commit = await branch.commit(state.tip, move.changes, messageOf(move.message, context));
  if (!(await branch.push(commit, state.tip, context.signal))) {
    context.log('somebody else was faster; looking again\n');
    return { kind: 'again', afterMs: randomInt(MAX_RACE_DELAY_MS) };
  }
  // Only when nobody will come back for it: a step that is repeated finds its claim by its id.
  if (put.isClaim && context.signal.reason instanceof StepInterrupted) {
    await giveBack(put, branch, move.lock, commit);
    throw context.signal.reason;
  }
  context.log(`${move.message} (${commit.slice(0, 7)})\n`);
  return settled(source, move.lock, commit);
}

function settled(source: PoolSource, lock: string, ref: string): Step {
  const metadata = [
    { name: 'lock_name', value: lock },
    { name: 'pool_name', value: source.pool },
  ];
  return { kind: 'settled', result: { version: { ref }, metadata } };
}

/** What this very step has pushed before the server died: it stands, and a claim only while the lock is still held by it. */
async function beforeCrash({ context, isClaim }: Put, state: PoolState): Promise<Move | undefined> {
  const earlier = context.stepId === undefined ? undefined : await state.commitOfStep(context.stepId);
  if (earlier === undefined) return undefined;
  const { ref } = earlier;
  if (!isClaim) return { kind: 'done', ...earlier };
  for (const lock of state.claimed) {
    if ((await state.claimOf(lock)) !== ref) continue;
    context.log(`this step has claimed ${lock} before it was interrupted\n`);
    return { kind: 'done', lock, ref };
  }
  return undefined;
}

async function giveBack({ context, source }: Put, branch: RemoteBranch, lock: string, claim: string): Promise<void> {
  const signal = AbortSignal.timeout(GIVE_BACK_MS);
  const own = branch.under(signal);
  for (;;) {
    const state = await PoolState.fetch(own, source);
    if (!state.claimed.includes(lock) || (await state.claimOf(lock)) !== claim) return;
    const changes = await moved(state, lock, 'claimed', 'unclaimed');
    const commit = await own.commit(state.tip, changes, messageOf(`unclaiming: ${lock} (interrupted)`, context));
    if (await own.push(commit, state.tip, signal)) return context.log(`${lock} was given back\n`);
  }
}

async function decisionFor(
  params: PoolPutParams,
  dir: string,
  context: StepContext,
  source: PoolSource,
): Promise<Put['decide']> {
  const from = async (folder: string) => readLock(dir, folder);
  if (params.acquire === true) return (state) => claim(state, source);
  if (params.claim !== undefined) {
    const wanted = params.claim;
    return (state) => claim(state, source, wanted);
  }
  const held = params.release ?? params.remove;
  if (held !== undefined) {
    const lock = await from(held);
    return (state) => letGo(state, lock, params.release === undefined ? 'removing' : 'unclaiming', context);
  }
  const added = params.add ?? params.add_claimed;
  if (added !== undefined) {
    const lock = { ...(await from(added)), metadata: await readStepFile(dir, `${added}/metadata`, 'metadata') };
    return (state) => add(state, lock, params.add === undefined ? 'claimed' : 'unclaimed');
  }
  if (params.update !== undefined) {
    const metadata = await readStepFile(dir, `${params.update}/metadata`, 'metadata');
    const lock = { ...(await from(params.update)), metadata };
    return (state) => update(state, lock);
  }
  const [name, folder] =
    params.check === undefined
      ? [params.check_unclaimed ?? '', 'claimed' as const]
      : [params.check, 'unclaimed' as const];
  return (state) => waitFor(state, name, folder);
}

/** A lock as the folder of a get, or of a task, names it. */
interface NamedLock {
  readonly name: string;
  /** The commit whose lock this is; undefined when a task made the folder. */
  readonly ref?: string;
}

async function readLock(dir: string, folder: string): Promise<NamedLock> {
  const name = (await readStepFile(dir, `${folder}/name`, 'name')).trim();
  if (name === '' || name.startsWith('.') || /[/\\\p{Cc}]/u.test(name)) {
    throw new ResourceFailure(`${folder}/name holds no usable name of a lock: ${JSON.stringify(name.slice(0, 100))}`);
  }
  const ref = await readRef(dir, folder);
  return { name, ...(ref === undefined ? {} : { ref }) };
}

/**
 * The commit that a get has left in the folder. A `ref` that is there and tells nothing is an error: without it a lock
 * would be let go of whoever holds it.
 */
async function readRef(dir: string, folder: string): Promise<string | undefined> {
  const isThere = await lstat(join(dir, folder, 'ref')).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  if (!isThere) return undefined;
  const ref = (await readStepFile(dir, `${folder}/ref`, 'ref')).trim();
  if (/^[0-9a-f]{40,64}$/.test(ref)) return ref;
  throw new ResourceFailure(
    `${folder}/ref holds no commit: ${JSON.stringify(ref.slice(0, 100))}; it tells whose claim the lock is. ` +
      'Give the folder of the get as it is, or one without the file ref',
  );
}

async function claim(state: PoolState, { pool }: PoolSource, wanted?: string): Promise<Move> {
  if (wanted !== undefined && ![...state.claimed, ...state.unclaimed].includes(wanted)) {
    throw new ResourceFailure(noSuchLock(state, wanted));
  }
  const lock = wanted ?? state.unclaimed[state.unclaimed.length === 0 ? 0 : randomInt(state.unclaimed.length)];
  if (lock === undefined || !state.unclaimed.includes(lock)) {
    const holders = await Promise.all(
      (wanted === undefined ? state.claimed : [wanted]).map((name) => state.holder(name)),
    );
    const about = wanted === undefined ? `no lock of pool ${pool} is free` : `${wanted} is not free`;
    return { kind: 'wait', reason: [`waiting: ${about}`, ...holders].join('\n  ') };
  }
  return {
    kind: 'push',
    lock,
    message: `claiming: ${lock}`,
    changes: await moved(state, lock, 'unclaimed', 'claimed'),
  };
}

/** Releases or removes a claimed lock; not one that somebody else has claimed since. */
async function letGo(
  state: PoolState,
  { name, ref }: NamedLock,
  word: 'unclaiming' | 'removing',
  context: StepContext,
): Promise<Move> {
  if (!state.claimed.includes(name)) {
    if (word === 'unclaiming' && state.unclaimed.includes(name)) {
      context.log(`${name} is free already\n`);
      return { kind: 'done', lock: name, ref: await state.lastChange(state.path('unclaimed', name)) };
    }
    throw new ResourceFailure(
      state.unclaimed.includes(name)
        ? `${name} is not claimed: claim a lock before removing it`
        : noSuchLock(state, name),
    );
  }
  if (ref !== undefined && (await state.claimOf(name)) !== ref) {
    throw new ResourceFailure(`not ours: ${await state.holder(name)}`);
  }
  const changes =
    word === 'unclaiming'
      ? await moved(state, name, 'claimed', 'unclaimed')
      : new Map([[state.path('claimed', name), undefined]]);
  return { kind: 'push', lock: name, message: `${word}: ${name}`, changes };
}

async function add(
  state: PoolState,
  { name, metadata }: NamedLock & { readonly metadata: string },
  folder: 'claimed' | 'unclaimed',
): Promise<Move> {
  const path = state.path(folder, name);
  if (state[folder].includes(name) && (await state.metadata(folder, name)) === metadata) {
    return { kind: 'done', lock: name, ref: await state.lastChange(path) };
  }
  if ([...state.claimed, ...state.unclaimed].includes(name)) {
    throw new ResourceFailure(`there is a lock ${name} already: use update to change it`);
  }
  const message = `adding ${folder}: ${name}`;
  return { kind: 'push', lock: name, message, changes: new Map([[path, metadata]]) };
}

async function update(state: PoolState, { name, metadata }: NamedLock & { readonly metadata: string }): Promise<Move> {
  if (state.claimed.includes(name)) return { kind: 'wait', reason: `waiting: ${await state.holder(name)}` };
  const path = state.path('unclaimed', name);
  if (state.unclaimed.includes(name) && (await state.metadata('unclaimed', name)) === metadata) {
    return { kind: 'done', lock: name, ref: await state.lastChange(path) };
  }
  return { kind: 'push', lock: name, message: `updating: ${name}`, changes: new Map([[path, metadata]]) };
}

async function waitFor(state: PoolState, name: string, folder: 'claimed' | 'unclaimed'): Promise<Move> {
  if (state[folder].includes(name)) {
    return { kind: 'done', lock: name, ref: await state.lastChange(state.path(folder, name)) };
  }
  if (folder === 'claimed' && state.unclaimed.includes(name))
    return { kind: 'wait', reason: `waiting: ${name} is free` };
  if (state.claimed.includes(name)) return { kind: 'wait', reason: `waiting: ${await state.holder(name)}` };
  throw new ResourceFailure(noSuchLock(state, name));
}

async function moved(
  state: PoolState,
  lock: string,
  from: 'claimed' | 'unclaimed',
  to: 'claimed' | 'unclaimed',
): Promise<FileChanges> {
  return new Map([
    [state.path(from, lock), undefined],
    [state.path(to, lock), await state.metadata(from, lock)],
  ]);
}

function noSuchLock(state: PoolState, name: string): string {
  const names = [...state.claimed, ...state.unclaimed].toSorted();
  return `there is no lock ${name} in the pool; there are ${names.length === 0 ? 'none' : names.join(', ')}`;
}

/**
 * Tells people, and later repetitions, whose commit it is. No two steps have the same message: two claims of one second
 * would be the same commit, and both would count as pushed.
 */
function messageOf(message: string, { env, stepId = randomUUID() }: StepContext): string {
  const places = [env['BUILD_TEAM_NAME'], env['BUILD_PIPELINE_NAME'], env['BUILD_JOB_NAME']].filter(Boolean).join('/');
  const build = [places, env['BUILD_NAME'] && `#${env['BUILD_NAME']}`, env['BUILD_URL'] ?? env['BUILD_URL_SHORT']];
  const lines = [
    ...(build.some(Boolean) ? [`${HOLDER}: ${build.filter(Boolean).join(' ')}`] : []),
    `${STEP}: ${stepId}`,
  ];
  return `${message}\n\n${lines.join('\n')}`;
}
