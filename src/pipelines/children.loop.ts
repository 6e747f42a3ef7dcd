import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { PipelineId } from '../model/index.js';
import { Db, findAbandonedPipelines, lockPipelineById, NotificationListener } from '../persistence/index.js';
import { LOGGER, LoopRunner, type Logger, type Loop } from '../platform/index.js';
import { PipelinesService } from './pipelines.service.js';

/**
 * Archives pipelines that a `set_pipeline` step had set and that were abandoned: a later successful build of the job did not
 * set them, or the job or its pipeline is gone. Safe to run on several servers at once.
 */
@Injectable()
export class ChildrenLoop implements Loop, OnApplicationBootstrap, OnModuleDestroy {
  readonly name = 'children';
  readonly tickMs = 30_000;
  private readonly runner: LoopRunner;
  private unlisten: (() => void) | undefined;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(NotificationListener) private readonly listener: NotificationListener,
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.runner = new LoopRunner(this, log);
  }

  onApplicationBootstrap(): void {
    this.unlisten = this.listener.on('pipelines', () => this.runner.wake());
    this.runner.start();
  }

  async onModuleDestroy(): Promise<void> {
    this.unlisten?.();
    await this.runner.stop();
  }

  /** An archived pipeline notifies, so its own children have the next round. */
  async runOnce(): Promise<void> {
    for (const { id } of await findAbandonedPipelines(this.db)) await this.archive(id);
  }

  private async archive(id: PipelineId): Promise<void> {
    await this.db.tx(async (tx) => {
      await lockPipelineById(tx, id);
      // Somebody may have set it since.
      const [abandoned] = await findAbandonedPipelines(tx, id);
      if (abandoned === undefined) return;
      await this.pipelines.archivePipelineIn(tx, id, { by: 'set_pipeline', reason: `archived: ${abandoned.reason}` });
      this.log.info({ pipelineId: id, reason: abandoned.reason }, 'abandoned pipeline archived');
    });
  }
}
