import { Controller, Get } from '@nestjs/common';
import { pipelineJsonSchema } from '../../pipelines/index.js';

/** The pipeline language of this very version, for editors. Asks for a token as every route does; `weir schema` needs none. */
@Controller('api/v1/schema')
export class SchemaController {
  @Get('pipeline.json')
  pipeline(): object {
    return pipelineJsonSchema();
  }
}
