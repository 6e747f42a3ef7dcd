import { describe, expect, it } from '@jest/globals';
import type { PlanNode, PlanStep } from '../model/index.js';
import { keptSteps } from './kept-steps.js';
import type { Outcome } from './outcome.js';

const leaf = (id: string): PlanNode => ({ id, step: { kind: 'load_var', name: id, file: 'a/b', reveal: true } });
const a = leaf('a');
const b = leaf('b');
const c = leaf('c');
const node = (step: PlanStep): PlanNode => ({ id: 'x', step });
const kept = (plan: PlanNode, outcomes: Readonly<Record<string, Outcome>>): string =>
  keptSteps(plan, new Map(Object.entries(outcomes))).ids.join(' ');

describe('what a resumed build takes over', () => {
  it.each<[string, PlanStep, Record<string, Outcome>, string]>([
    ['steps before a failed one', { kind: 'do', steps: [a, b, c] }, { a: 'succeeded', b: 'failed' }, 'a'],
    ['skipped steps', { kind: 'do', steps: [a, b] }, { a: 'skipped', b: 'errored' }, 'a'],
    ['nothing behind a step that never ended', { kind: 'do', steps: [a, b] }, { b: 'succeeded' }, ''],
    [
      'the good ones of parallel steps',
      { kind: 'in_parallel', failFast: false, steps: [a, b, c] },
      { a: 'failed', b: 'succeeded' },
      'b',
    ],
    [
      'a failure inside a try that is over',
      { kind: 'do', steps: [node({ kind: 'try', step: a }), b] },
      { a: 'failed', b: 'failed' },
      'a',
    ],
    [
      'no try that was aborted',
      { kind: 'do', steps: [node({ kind: 'try', step: a }), b] },
      { a: 'aborted', b: 'aborted' },
      '',
    ],
    [
      'all attempts before a good one',
      { kind: 'do', steps: [node({ kind: 'retry', attempts: [a, b] }), c] },
      { a: 'failed', b: 'succeeded', c: 'failed' },
      'a b',
    ],
    ['no attempt of those that all failed', { kind: 'retry', attempts: [a, b] }, { a: 'failed', b: 'failed' }, ''],
    ['a good step whose hook failed', { kind: 'ensure', step: a, hook: b }, { a: 'succeeded', b: 'failed' }, 'a'],
    ['no hook of a bad step', { kind: 'ensure', step: a, hook: b }, { a: 'failed', b: 'succeeded' }, ''],
    [
      'a good step with its hook',
      { kind: 'do', steps: [node({ kind: 'on_success', step: a, hook: b }), c] },
      { a: 'succeeded', b: 'succeeded', c: 'failed' },
      'a b',
    ],
    [
      'a good step whose hook had nothing to do',
      { kind: 'do', steps: [node({ kind: 'on_failure', step: a, hook: b }), c] },
      { a: 'succeeded', c: 'failed' },
      'a',
    ],
    [
      'nothing of a try whose hook did not end',
      { kind: 'do', steps: [node({ kind: 'try', step: node({ kind: 'on_failure', step: a, hook: b }) }), c] },
      { a: 'failed', b: 'aborted' },
      '',
    ],
    [
      'what ended well inside a timeout, not the timeout',
      { kind: 'timeout', duration: '1m', step: a },
      { x: 'failed', a: 'succeeded' },
      'a',
    ],
    [
      'a good across with its combinations',
      { kind: 'do', steps: [{ id: 'y', step: { kind: 'across', vars: [], failFast: false, template: a } }, c] },
      { y: 'succeeded', 'y/0/0': 'succeeded', 'y/1/0': 'succeeded', c: 'failed' },
      'y y/0/0 y/1/0',
    ],
    [
      'nothing of a bad across',
      { kind: 'across', vars: [], failFast: false, template: a },
      { x: 'failed', 'x/0/0': 'succeeded', 'x/1/0': 'failed' },
      '',
    ],
  ])('%s', (_rule, step, outcomes, expected) => {
    expect(kept(node(step), outcomes)).toBe(expected);
  });
});
