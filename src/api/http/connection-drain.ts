import type { Server } from 'node:http';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

const GRACE_MS = 2_000;

/**
 * Lets requests that are running end when the server stops, but not for ever: a browser opens connections ahead of need, and
 * one that never sends a request would hold the server up for a minute.
 */
@Injectable()
export class ConnectionDrain implements BeforeApplicationShutdown {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  /** Called after event streams were cut and before the web server closes. */
  beforeApplicationShutdown(): void {
    const server = this.host.httpAdapter.getHttpServer() as Server;
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS).unref();
    server.once('close', () => clearTimeout(timer));
  }
}
