import http from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type AccountClaims } from 'oidc-provider';

/** A real OpenID Connect provider on 127.0.0.1, whose login page lets everybody in as whoever they say. */
export class OidcIssuer {
  private constructor(
    readonly url: string,
    private readonly server: http.Server,
  ) {}

  /** @param claimsOf what it tells of somebody. */
  static async start(
    client: { readonly id: string; readonly secret: string; readonly callbackUrl: string },
    claimsOf: (login: string) => Omit<AccountClaims, 'sub'>,
  ): Promise<OidcIssuer> {
    let handle: http.RequestListener = (_, answer) => void answer.writeHead(503).end();
    const server = http.createServer((request, answer) => handle(request, answer));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = quietly(
      () =>
        new Provider(url, {
          clients: [
            {
              client_id: client.id,
              client_secret: client.secret,
              redirect_uris: [client.callbackUrl],
              response_types: ['code'],
              grant_types: ['authorization_code'],
            },
          ],
          claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email', 'email_verified'] },
          cookies: { keys: ['only for tests'] },
          pkce: { required: () => true },
          ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
          findAccount: (_context, login) => ({ accountId: login, claims: () => ({ sub: login, ...claimsOf(login) }) }),
        }),
    );
    const serve = provider.callback();
    handle = (request, answer) => void serve(request, answer);
    return new OidcIssuer(url, server);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** It warns of what is right for tests only: its development keys, its own login page. */
function quietly<Result>(make: () => Result): Result {
  const { warn, info } = console;
  console.warn = console.info = () => undefined;
  try {
    return make();
  } finally {
    Object.assign(console, { warn, info });
  }
}
