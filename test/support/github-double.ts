import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface StoredAsset {
  id: number;
  name: string;
  bytes: Buffer;
}

export interface StoredRelease {
  id: number;
  tag_name: string;
  name: string;
  body: string;
  draft: boolean;
  prerelease: boolean;
  target_commitish: string;
  created_at: string;
  published_at: string | null;
  assets: StoredAsset[];
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/**
 * The endpoints of GitHub's REST API that concern the releases of `acme/app`, as its documentation describes them: paging
 * by `Link`, drafts for tokens only, assets from a storage at another origin, upload conflicts, rate limits.
 */
export class GithubDouble {
  readonly token = 'ghp_secret-token';
  readonly releases: StoredRelease[] = [];
  readonly seen: SeenRequest[] = [];
  /** Answers instead of the API when it gives true. */
  intercept: (request: SeenRequest, response: ServerResponse) => boolean = () => false;
  private lastId = 100;
  private clockMs = Date.parse('2026-11-21T10:00:00Z');
  private readonly api: Server;
  private readonly storage: Server;

  private constructor() {
    this.api = createServer((request, response) => void this.serve(request, response));
    this.storage = createServer((request, response) => this.serveStorage(request, response));
  }

  static async start(): Promise<GithubDouble> {
    const double = new GithubDouble();
    for (const server of [double.api, double.storage])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return double;
  }

  async stop(): Promise<void> {
    for (const server of [this.api, this.storage]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get url(): string {
    return originOf(this.api);
  }

  /** Keys of a source that reach it. */
  get source() {
    return { owner: 'acme', repository: 'app', github_api_url: `${this.url}/api/v3`, access_token: this.token };
  }

  add(tag: string, more: Partial<StoredRelease> = {}): StoredRelease {
    const release: StoredRelease = {
      id: ++this.lastId,
      tag_name: tag,
      name: tag,
      body: `notes of ${tag}`,
      draft: false,
      prerelease: false,
      target_commitish: 'main',
      created_at: this.now(),
      published_at: null,
      assets: [],
      ...more,
    };
    if (!release.draft) release.published_at ??= this.now();
    this.releases.unshift(release);
    return release;
  }

  addAsset(release: StoredRelease, name: string, text: string): void {
    release.assets.push({ id: ++this.lastId, name, bytes: Buffer.from(text) });
  }

  private now(): string {
    this.clockMs += 60_000;
    return new Date(this.clockMs).toISOString().replace('.000', '');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '', this.url);
    const seen = { method: request.method ?? '', path: url.pathname + url.search, headers: request.headers };
    this.seen.push(seen);
    if (this.intercept(seen, response)) return;
    const { authorization } = request.headers;
    if (authorization !== undefined && authorization !== `Bearer ${this.token}`)
      return json(response, 401, { message: 'Bad credentials' });
    const mayWrite = authorization !== undefined;
    const path = /^\/api\/v3\/repos\/acme\/app\/(.*)$/.exec(url.pathname)?.[1];
    if (path === undefined || (seen.method !== 'GET' && !mayWrite))
      return json(response, 404, { message: 'Not Found' });
    this.route(seen.method, decodeURIComponent(path), url, Buffer.concat(chunks), request, response);
  }

  private route(
    method: string,
    path: string,
    url: URL,
    body: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const hasToken = request.headers.authorization !== undefined;
    const visible = this.releases.filter(({ draft }) => !draft || hasToken);
    const release = visible.find(({ id }) => path.split('/')[1] === String(id));
    const asset = this.releases.flatMap(({ assets }) => assets).find(({ id }) => path === `releases/assets/${id}`);
    const ref = /^git\/ref\/tags\/(.+)$/.exec(path)?.[1];
    const archive = /^(tarball|zipball)\/refs\/tags\/(.+)$/.exec(path);
    if (method === 'GET' && path === 'releases')
      return this.page(
        visible.map((one) => this.view(one)),
        url,
        response,
      );
    if (method === 'POST' && path === 'releases') {
      const fields = JSON.parse(body.toString()) as Partial<StoredRelease> & { generate_release_notes?: boolean };
      const notes = fields.generate_release_notes === true ? '\nwhat changed' : '';
      const made = this.add(fields.tag_name ?? '', { body: '', ...fields });
      made.body = `${fields.body ?? ''}${notes}`;
      return json(response, 201, this.view(made));
    }
    if (asset !== undefined && method === 'GET') {
      const address = `${originOf(this.storage)}/storage/${asset.id}`;
      return void response.writeHead(302, { location: address }).end();
    }
    if (asset !== undefined && method === 'DELETE') {
      for (const one of this.releases) one.assets = one.assets.filter(({ id }) => id !== asset.id);
      return void response.writeHead(204).end();
    }
    if (ref !== undefined && this.releases.some(({ tag_name, draft }) => tag_name === ref && !draft))
      return json(response, 200, { object: { type: 'tag', sha: hash(`tag ${ref}`) } });
    if (path.startsWith('git/tags/')) return json(response, 200, { object: { type: 'commit', sha: hash(path) } });
    if (archive !== null) return void response.end(`${archive[1]} of ${archive[2]}`);
    if (release === undefined) return json(response, 404, { message: 'Not Found' });
    if (path === `releases/${release.id}` && method === 'PATCH') {
      Object.assign(release, JSON.parse(body.toString()));
      if (!release.draft) release.published_at ??= this.now();
      return json(response, 200, this.view(release));
    }
    if (path === `releases/${release.id}`) return json(response, 200, this.view(release));
    if (method === 'GET') return this.page(release.assets.map(viewAsset), url, response);
    const name = url.searchParams.get('name') ?? '';
    if (release.assets.some((one) => one.name === name))
      return json(response, 422, { message: 'Validation Failed', errors: [{ code: 'already_exists' }] });
    const uploaded = { id: ++this.lastId, name, bytes: body };
    release.assets.push(uploaded);
    return json(response, 201, viewAsset(uploaded));
  }

  private serveStorage(request: IncomingMessage, response: ServerResponse): void {
    this.seen.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers });
    const asset = this.releases.flatMap(({ assets }) => assets).find(({ id }) => request.url === `/storage/${id}`);
    response.writeHead(asset === undefined ? 404 : 200).end(asset?.bytes);
  }

  private page(items: readonly unknown[], url: URL, response: ServerResponse): void {
    const size = Number(url.searchParams.get('per_page') ?? 30);
    const page = Number(url.searchParams.get('page') ?? 1);
    if (page * size < items.length)
      response.setHeader('link', `<https://elsewhere.test/?page=${page + 1}>; rel="next"`);
    json(response, 200, items.slice((page - 1) * size, page * size));
  }

  private view({ assets, ...release }: StoredRelease) {
    return { ...release, html_url: `${this.url}/acme/app/releases/${release.tag_name}`, assets: assets.map(viewAsset) };
  }
}

function viewAsset({ id, name, bytes }: StoredAsset) {
  return { id, name, size: bytes.length, state: 'uploaded', digest: `sha256:${hash(bytes)}` };
}

function hash(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
