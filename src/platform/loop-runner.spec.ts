import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';
import { LoopRunner } from './loop-runner.js';

const log = createLogger('silent');
/** A loop whose rounds end when told to, and a promise of its next round. */
function steppedLoop(options: { tickMs?: number; cron?: string; fail?: boolean }) {
  let begun = 0;
  let waiter: (() => void) | undefined;
  const gates: (() => void)[] = [];
  const loop = {
    name: 'stepped',
    tickMs: 3_600_000,
    ...options,
    runOnce: async () => {
      begun++;
      waiter?.();
      if (options.fail) throw new Error('no');
      await new Promise<void>((resolve) => gates.push(resolve));
    },
  };
  const rounds = async (count: number): Promise<void> => {
    while (begun < count) await new Promise<void>((resolve) => (waiter = resolve));
  };
  return { runner: new LoopRunner(loop, log), rounds, finishRound: () => gates.shift()?.(), begun: () => begun };
}

describe('a loop', () => {
  it('runs once at its start, then on each wake', async () => {
    const { runner, rounds, finishRound } = steppedLoop({});
    runner.start();
    await rounds(1);
    finishRound();
    runner.wake();
    await rounds(2);
    finishRound();
    await runner.stop();
  });

  it('never overlaps rounds, and loses no wake that comes during one', async () => {
    const { runner, rounds, finishRound, begun } = steppedLoop({});
    runner.start();
    await rounds(1);
    runner.wake();
    runner.wake();
    expect(begun()).toBe(1);
    finishRound();
    await rounds(2);
    finishRound();
    await runner.stop();
    expect(begun()).toBe(2);
  });

  it('runs at its tick although nobody wakes it, and after a round that failed', async () => {
    const { runner, rounds } = steppedLoop({ tickMs: 5, fail: true });
    runner.start();
    await rounds(3);
    expect(LoopRunner.running().find(({ name }) => name === 'stepped')?.isFailing).toBe(true);
    await runner.stop();
  });

  it('runs at the times of its cron expression', async () => {
    const { runner, rounds, finishRound } = steppedLoop({ cron: '* * * * * *' });
    runner.start();
    await rounds(1);
    finishRound();
    await rounds(2);
    finishRound();
    await runner.stop();
  });

  it('waits for the running round when it is stopped', async () => {
    const { runner, rounds, finishRound } = steppedLoop({});
    runner.start();
    await rounds(1);
    let stopped = false;
    const stop = runner.stop().then(() => (stopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    finishRound();
    await stop;
  });
});
