import type { PipelineConfig, PipelineId } from '../model/index.js';
import { pipelineConfigOf, type Queryable } from '../persistence/index.js';

const MOST_CONFIGS = 64;

/** Configs of pipelines by version. A revision never changes, so a kept one is right on every server. */
export class ConfigCache {
  private readonly kept = new Map<string, PipelineConfig>();

  async get(db: Queryable, pipelineId: PipelineId, version: number): Promise<PipelineConfig> {
    const key = `${pipelineId}.${version}`;
    const config = this.kept.get(key) ?? (await pipelineConfigOf(db, pipelineId, version));
    this.kept.delete(key);
    this.kept.set(key, config); // youngest last
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_CONFIGS && oldest !== undefined) this.kept.delete(oldest);
    return config;
  }
}
