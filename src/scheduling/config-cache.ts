import type { BuildId, PipelineConfig, PipelineId, Version } from '../model/index.js';
import { adoptedVersions, pipelineConfigOf, type Queryable } from '../persistence/index.js';

const MOST_CONFIGS = 64;

/** Configs of pipelines by version. A revision never changes, so a kept one is right on every server. */
export class ConfigCache {
  private readonly kept = new Map<string, PipelineConfig>();

  /** What a build's plan is made of: the present config, and the versions that the build was given. */
  async forBuild(
    db: Queryable,
    pipelineId: PipelineId,
    version: number,
    buildId: BuildId,
  ): Promise<{ readonly config: PipelineConfig; readonly versions: ReadonlyMap<string, Version> }> {
    return { config: await this.get(db, pipelineId, version), versions: await adoptedVersions(db, buildId) };
  }

  private async get(db: Queryable, pipelineId: PipelineId, version: number): Promise<PipelineConfig> {
    const key = `${pipelineId}.${version}`;
    const config = this.kept.get(key) ?? (await pipelineConfigOf(db, pipelineId, version));
    this.kept.delete(key);
    this.kept.set(key, config); // youngest last
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_CONFIGS && oldest !== undefined) this.kept.delete(oldest);
    return config;
  }
}
