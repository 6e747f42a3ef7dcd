import { Injectable } from '@nestjs/common';
import type { CreateSourceRequest, PipelineSource, SourceRef, UpdateSourceRequest } from './types.js';

/** Pipeline sources: git repositories whose files are pipelines. */
@Injectable()
export class SourcesService {
  async createSource(_request: CreateSourceRequest): Promise<PipelineSource> {
    return refuse();
  }
  async updateSource(_request: UpdateSourceRequest): Promise<PipelineSource> {
    return refuse();
  }
  async getSource(_ref: SourceRef): Promise<PipelineSource> {
    return refuse();
  }
  async listSources(_teamName?: string): Promise<PipelineSource[]> {
    return refuse();
  }
  async removeSource(_ref: SourceRef): Promise<void> {
    return refuse();
  }
  async requestSync(_ref: SourceRef): Promise<void> {
    return refuse();
  }
  async acceptWebhook(_ref: SourceRef, _token: string): Promise<void> {
    return refuse();
  }
}

function refuse(): never {
  throw new Error('not built yet');
}
