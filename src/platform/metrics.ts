import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { LoopRunner } from './loop-runner.js';

/** Seconds. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

export type { Counter, Gauge, Histogram };

/**
 * What this process counts of itself, for Prometheus. Rooms ask for their own counters by name and help text and keep
 * them; nothing here knows what they mean. Counters begin at 0 with every start of the process.
 */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();

  /** A number that only grows. The same name gives the same counter. */
  counter<Label extends string = never>(name: string, help: string, labels: readonly Label[] = []): Counter<Label> {
    const known = this.registry.getSingleMetric(name);
    if (known instanceof Counter) return known;
    return new Counter({ name, help, labelNames: labels, registers: [this.registry] });
  }

  /** How long something takes, in seconds, and how often it happens. The same name gives the same histogram. */
  durations(name: string, help: string): Histogram {
    const known = this.registry.getSingleMetric(name);
    if (known instanceof Histogram) return known;
    return new Histogram({ name, help, buckets: DURATION_BUCKETS, registers: [this.registry] });
  }

  /** Adds memory, CPU time, event loop and garbage collection of the process, and how its loops do. Once. */
  watchProcess(prefix: string): this {
    collectDefaultMetrics({ register: this.registry });
    const registers = [this.registry];
    const labelNames = ['loop'] as const;
    new Counter({
      ...{ name: `${prefix}_loop_rounds_total`, help: 'Rounds of a loop that began.', labelNames, registers },
      collect() {
        this.reset();
        for (const loop of LoopRunner.running()) this.inc({ loop: loop.name }, loop.rounds);
      },
    });
    new Counter({
      ...{ name: `${prefix}_loop_failures_total`, help: 'Rounds of a loop that failed.', labelNames, registers },
      collect() {
        this.reset();
        for (const loop of LoopRunner.running()) this.inc({ loop: loop.name }, loop.failures);
      },
    });
    new Gauge({
      ...{
        name: `${prefix}_loop_last_round_age_seconds`,
        help: 'Time since the last round of a loop began.',
        labelNames,
        registers,
      },
      collect() {
        this.reset();
        for (const loop of LoopRunner.running()) this.set({ loop: loop.name }, loop.lastRoundAgoMs / 1_000);
      },
    });
    return this;
  }

  /** Everything, in the text format of Prometheus. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}
