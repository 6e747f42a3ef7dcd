import { All, Controller, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { NotFoundError } from '../../platform/index.js';

/** Every other path below `/api`. Stands last, so that the real routes come first. */
@Controller()
export class ApiNotFoundController {
  @All('api/*')
  refuse(@Req() { method, url }: FastifyRequest): never {
    throw new NotFoundError(`the API has no ${method} ${url.split('?')[0] ?? ''}`);
  }
}
