import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { WebSocketServer, type WebSocket } from 'ws';
import { Settings, UserError } from '../../platform/index.js';

/** No message of a person's keyboard is larger. */
const LARGEST_MESSAGE_BYTES = 4 * 1024 * 1024;

interface Upgrade {
  readonly socket: Duplex;
  readonly head: Buffer;
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>();

/**
 * Sends requests for another protocol through the same routes and guards as all others: a route that wants one takes it with
 * {@link WebSockets.accept}; any other answers as if it had not been asked for.
 */
export function routeUpgrades(server: FastifyInstance): void {
  server.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgrades.set(request, { socket, head });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Parameters<typeof response.assignSocket>[0]);
    response.once('finish', () => socket.end());
    socket.on('error', () => socket.destroy());
    server.routing(request, response);
  });
}

/** Web sockets that are open, closed when the server stops. */
@Injectable()
export class WebSockets implements OnModuleDestroy {
  private readonly server = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_MESSAGE_BYTES,
    perMessageDeflate: false,
  });

  constructor(@Inject(Settings) private readonly settings: Settings) {}

  onModuleDestroy(): void {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }

  /**
   * Makes the request a web socket. From here on the answer is no longer the route's.
   * @throws UserError `no-web-socket` for an ordinary request, `foreign-origin` for one by a page of somebody else
   */
  async accept(request: FastifyRequest, reply: FastifyReply): Promise<WebSocket> {
    const upgrade = upgrades.get(request.raw);
    if (!upgrade)
      throw new UserError('no-web-socket', 'this is a web socket: ask for an upgrade of the connection', 426);
    // A browser sends its cookies along whoever has made the page, so the page must be ours.
    const { origin, host } = request.headers;
    if (origin !== undefined && !this.isOurs(origin, host)) {
      throw new UserError('foreign-origin', `pages of ${origin} may not open this web socket`, 403);
    }
    reply.hijack();
    reply.raw.detachSocket(upgrade.socket as Parameters<typeof reply.raw.detachSocket>[0]);
    return new Promise((resolve) => this.server.handleUpgrade(request.raw, upgrade.socket, upgrade.head, resolve));
  }

  private isOurs(origin: string, host: string | undefined): boolean {
    if (!URL.canParse(origin)) return false;
    const from = new URL(origin);
    return from.host === host || from.origin === new URL(this.settings.externalUrl).origin;
  }
}
