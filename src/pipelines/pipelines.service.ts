import { Inject, Injectable } from '@nestjs/common';
import type { PipelineConfig } from '../model/index.js';
import { Db, type Tx } from '../persistence/index.js';
import type {
  ByWhom,
  JobRef,
  Pipeline,
  PipelineRef,
  Revision,
  SetPipelineRequest,
  SetPipelineResult,
} from './types.js';

/** The life of pipelines: set, pause, archive, destroy. Every change is one transaction. */
@Injectable()
export class PipelinesService {
  constructor(@Inject(Db) private readonly db: Db) {}

  async setPipeline(request: SetPipelineRequest): Promise<SetPipelineResult> {
    return this.db.tx((tx) => this.setPipelineIn(tx, request));
  }
  async setPipelineIn(_tx: Tx, _request: SetPipelineRequest): Promise<SetPipelineResult> {
    return refuse();
  }
  async getPipeline(_ref: PipelineRef): Promise<Pipeline> {
    return refuse();
  }
  async listPipelines(_teamName?: string): Promise<Pipeline[]> {
    return refuse();
  }
  async getConfig(_ref: PipelineRef, _version?: number): Promise<Revision & { readonly config: PipelineConfig }> {
    return refuse();
  }
  async listRevisions(_ref: PipelineRef, _page?: { before?: number; limit?: number }): Promise<Revision[]> {
    return refuse();
  }
  async pausePipeline(_ref: PipelineRef, _who: ByWhom): Promise<void> {
    return refuse();
  }
  async unpausePipeline(_ref: PipelineRef): Promise<void> {
    return refuse();
  }
  async pauseJob(_ref: JobRef, _who: ByWhom): Promise<void> {
    return refuse();
  }
  async unpauseJob(_ref: JobRef): Promise<void> {
    return refuse();
  }
  async archivePipeline(_ref: PipelineRef, _who: ByWhom): Promise<void> {
    return refuse();
  }
  async destroyPipeline(_ref: PipelineRef): Promise<void> {
    return refuse();
  }
  async renamePipeline(_ref: { teamName: string; name: string }, _newName: string): Promise<void> {
    return refuse();
  }
  async exposePipeline(_ref: PipelineRef): Promise<void> {
    return refuse();
  }
  async hidePipeline(_ref: PipelineRef): Promise<void> {
    return refuse();
  }
  async orderPipelines(_teamName: string, _names: readonly string[]): Promise<void> {
    return refuse();
  }
}

function refuse(): never {
  throw new Error('not built yet');
}
