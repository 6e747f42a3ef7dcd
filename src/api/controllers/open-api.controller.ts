import { Controller, Get, Header, Inject } from '@nestjs/common';
import { Settings } from '../../platform/index.js';
import { documentPage } from '../openapi/page.js';
import type { OpenApiDocument } from '../openapi/types.js';

/** Gives the document of all routes. It is a function, as the controller that asks is among them. */
export const OPEN_API = Symbol('OPEN_API');

/** The API, for programs and for people. */
@Controller('api/v1')
export class OpenApiController {
  private made: OpenApiDocument | undefined;

  constructor(
    @Inject(OPEN_API) private readonly make: () => OpenApiDocument,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Get('openapi.json')
  document(): OpenApiDocument {
    return (this.made ??= { ...this.make(), servers: [{ url: this.settings.externalUrl }] });
  }

  /** Without scripts, which our content policy forbids. */
  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  page(): string {
    return documentPage(this.document());
  }
}
