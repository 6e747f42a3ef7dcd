/** The only door to wall-clock time and randomness in the server; tests pass a fake. */
export interface Clock {
  now(): Date;
  /** Uniform in [0, 1). */
  random(): number;
}

export const systemClock: Clock = { now: () => new Date(), random: () => Math.random() };
