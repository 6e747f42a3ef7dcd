import { Injectable } from '@nestjs/common';
import type { Loop } from '../../platform/index.js';

/** Brings pipelines in line with the files of their sources. */
@Injectable()
export class SourceSyncLoop implements Loop {
  readonly name = 'source-sync';
  readonly tickMs = 5_000;

  start(): void {}
  async stop(): Promise<void> {}
  async runOnce(_signal: AbortSignal): Promise<void> {}
}
