import { beforeEach, describe, expect, it } from '@jest/globals';
import { callerOfAddress, RateLimiter } from './rate-limiter.js';

let nowMs: number;
let limiter: RateLimiter;
const asked = (caller: string, times: number): number[] => Array.from({ length: times }, () => limiter.take(caller));
beforeEach(() => {
  nowMs = Date.parse('2026-11-21T12:00:00Z');
  limiter = new RateLimiter(2, { now: () => new Date(nowMs), random: () => 0.5 });
});

describe('the rate limit', () => {
  it('grants ten seconds’ worth at once, and then the rate', () => {
    expect(asked('a', 21)).toEqual([...Array<number>(20).fill(0), 1]);
    nowMs += 1_000;
    expect(asked('a', 3)).toEqual([0, 0, 1]);
    nowMs += 3_600_000;
    expect(asked('a', 21).filter((wait) => wait > 0)).toHaveLength(1);
  });

  it('is one for each caller', () => {
    asked('a', 21);
    expect(limiter.take('b')).toBe(0);
  });

  it('charges whoever it was when that is known', () => {
    asked('address', 20);
    limiter.move('address', 'token');
    expect([limiter.take('address'), limiter.take('address')]).toEqual([0, 1]);
    expect(asked('token', 20).at(-1)).toBe(1);
  });

  it('forgets who has asked nothing for long enough to have everything again', () => {
    limiter.take('a');
    nowMs += 10_000;
    limiter.take('b');
    expect([limiter.knows('a'), limiter.knows('b')]).toEqual([false, true]);
  });

  it('is not set back by a clock that is', () => {
    asked('a', 20);
    nowMs -= 60_000;
    expect(limiter.take('a')).toBe(1);
  });

  it('of 0 is none', () => {
    limiter = new RateLimiter(0, { now: () => new Date(nowMs), random: () => 0.5 });
    expect(asked('a', 1_000).every((wait) => wait === 0)).toBe(true);
  });
});

it.each([
  ['10.0.0.1', 'address 10.0.0.1'],
  ['::ffff:10.0.0.1', 'address 10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', 'address 2001:db8:1:2::/64'],
  ['2001:db8::1', 'address 2001:db8:0:0::/64'],
  ['::1', 'address 0:0:0:0::/64'],
])('%s counts as %s', (address, caller) => {
  expect(callerOfAddress(address)).toBe(caller);
});
