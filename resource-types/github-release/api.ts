import { z } from 'zod';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { HttpClient, readBody, type HttpAnswer, type HttpBody, type HttpRequest } from '../registry-image/shared.js';
import type { GithubSource } from './schema.js';

const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const PER_PAGE = 100;
/** GitHub gives no more than 10,000 of anything. */
const MAX_PAGES = 100;
const JSON_TYPE = 'application/vnd.github+json';

const asset = z.object({
  id: z.number(),
  name: z.string(),
  size: z.number(),
  state: z.string().optional(),
  digest: z.string().nullish(),
});
export type Asset = z.output<typeof asset>;

const release = z.object({
  id: z.number(),
  tag_name: z.string(),
  name: z.string().nullish(),
  body: z.string().nullish(),
  draft: z.boolean(),
  prerelease: z.boolean(),
  html_url: z.string(),
  created_at: z.string(),
  published_at: z.string().nullish(),
});
export type Release = z.output<typeof release>;

const gitObject = z.object({ object: z.object({ sha: z.string(), type: z.string() }) });

/** What put says about a release. */
export interface ReleaseFields {
  readonly tag_name?: string;
  readonly name?: string;
  readonly body?: string;
  readonly draft?: boolean;
  readonly prerelease?: boolean;
  readonly target_commitish?: string;
  readonly generate_release_notes?: boolean;
}

/** The REST API of one repository. Every method throws a ResourceFailure in GitHub's words when it says no. */
export class GithubApi {
  private readonly api: string;
  private readonly uploads: string;

  private constructor(
    private readonly client: HttpClient,
    private readonly source: GithubSource,
  ) {
    const base = (url: string) => url.replace(/\/+$/, '');
    const path = `/repos/${source.owner}/${source.repository}`;
    this.api = base(source.github_api_url ?? 'https://api.github.com') + path;
    this.uploads = base(source.github_uploads_url ?? source.github_api_url ?? 'https://uploads.github.com') + path;
  }

  static async use<T>(context: CheckContext, source: GithubSource, work: (api: GithubApi) => Promise<T>): Promise<T> {
    context.signal.throwIfAborted();
    const client = new HttpClient(context, { skipsVerification: source.insecure === true });
    try {
      return await work(new GithubApi(client, source));
    } finally {
      client.close();
    }
  }

  /** All releases, newest first; drafts only with a token that may see them. */
  releases(): Promise<readonly Release[]> {
    return this.list(`${this.api}/releases`, release);
  }

  async releaseById(id: string): Promise<Release> {
    return release.parse(
      await this.json({ method: 'GET', url: new URL(`${this.api}/releases/${encodeURIComponent(id)}`) }),
    );
  }

  async createRelease(fields: ReleaseFields): Promise<Release> {
    return release.parse(await this.send('POST', `${this.api}/releases`, fields));
  }

  async updateRelease(id: number, fields: ReleaseFields): Promise<Release> {
    return release.parse(await this.send('PATCH', `${this.api}/releases/${id}`, fields));
  }

  assets(releaseId: number): Promise<readonly Asset[]> {
    return this.list(`${this.api}/releases/${releaseId}/assets`, asset);
  }

  async deleteAsset(id: number): Promise<void> {
    await this.json({ method: 'DELETE', url: new URL(`${this.api}/releases/assets/${id}`) });
  }

  /** The bytes of an asset. The token stays with GitHub: the storage it points to does not get it. */
  download(id: number): Promise<HttpAnswer> {
    return this.stream(`${this.api}/releases/assets/${id}`, 'application/octet-stream');
  }

  sourceArchive(kind: 'tarball' | 'zipball', tag: string): Promise<HttpAnswer> {
    return this.stream(`${this.api}/${kind}/${pathOf(`refs/tags/${tag}`)}`, JSON_TYPE);
  }

  async upload(releaseId: number, name: string, body: HttpBody): Promise<void> {
    const url = new URL(`${this.uploads}/releases/${releaseId}/assets`);
    url.searchParams.set('name', name);
    await this.json({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/octet-stream' },
      body,
      attempts: 1,
    });
  }

  /** The commit of a tag; undefined when there is no such tag, as for most drafts. */
  async commitOf(tag: string): Promise<string | undefined> {
    const answer = await this.raw({ method: 'GET', url: new URL(`${this.api}/git/ref/${pathOf(`tags/${tag}`)}`) });
    if (answer.status === 404) {
      answer.body.destroy();
      return undefined;
    }
    let { object } = gitObject.parse(await this.parsed(answer));
    while (object.type === 'tag') {
      const url = new URL(`${this.api}/git/tags/${encodeURIComponent(object.sha)}`);
      object = gitObject.parse(await this.json({ method: 'GET', url })).object;
    }
    return object.sha;
  }

  private async list<T>(address: string, item: z.ZodType<T>): Promise<readonly T[]> {
    const all: T[] = [];
    for (let page = 1; page <= MAX_PAGES; page++) {
      // The address of the next page is made here: an answer cannot lead the token elsewhere.
      const url = new URL(address);
      url.search = `per_page=${PER_PAGE}&page=${page}`;
      const answer = await this.raw({ method: 'GET', url });
      all.push(...z.array(item).parse(await this.parsed(answer)));
      if (!/\brel="?next"?/.test(answer.headers['link'] ?? '')) break;
    }
    return all;
  }

  private send(method: 'POST' | 'PATCH', address: string, fields: ReleaseFields): Promise<unknown> {
    const bytes = Buffer.from(JSON.stringify(fields));
    const open = async function* () {
      yield bytes;
    };
    const headers = { 'content-type': 'application/json' };
    // A second POST would make a second release.
    const attempts = method === 'POST' ? { attempts: 1 } : {};
    return this.json({ method, url: new URL(address), headers, body: { sizeBytes: bytes.length, open }, ...attempts });
  }

  private async json(request: HttpRequest): Promise<unknown> {
    return this.parsed(await this.raw(request));
  }

  private async stream(address: string, accept: string): Promise<HttpAnswer> {
    const request = { method: 'GET' as const, url: new URL(address), headers: this.headers({ accept }) };
    const answer = await this.client.follow(request, ['authorization']);
    if (answer.status !== 200) throw await this.refusal(answer);
    return answer;
  }

  private raw(request: HttpRequest): Promise<HttpAnswer> {
    return this.client.follow({ ...request, headers: this.headers(request.headers) }, ['authorization']);
  }

  private async parsed(answer: HttpAnswer): Promise<unknown> {
    if (answer.status < 200 || answer.status >= 300) throw await this.refusal(answer);
    const body = await readBody(answer, MAX_ANSWER_BYTES, 'the answer of GitHub');
    return body.length === 0 ? undefined : (JSON.parse(body.toString()) as unknown);
  }

  private headers(more: HttpRequest['headers'] = {}): Record<string, string> {
    const token = this.source.access_token;
    return {
      accept: JSON_TYPE,
      'x-github-api-version': '2022-11-28',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...more,
    };
  }

  private async refusal(answer: HttpAnswer): Promise<ResourceFailure> {
    const { status, headers } = answer;
    const text = (await readBody(answer, MAX_ANSWER_BYTES, 'the answer of GitHub')).toString();
    const { owner, repository, access_token: token } = this.source;
    if ((status === 403 || status === 429) && (headers['x-ratelimit-remaining'] === '0' || headers['retry-after'])) {
      const reset = Number(headers['x-ratelimit-reset']);
      const until = reset > 0 ? ` until ${new Date(reset * 1000).toISOString()}` : '';
      const advice = token === undefined ? '; an access_token gives more requests' : '';
      return new ResourceFailure(`GitHub's rate limit is used up${until}${advice}`);
    }
    if (status === 401) return new ResourceFailure('GitHub does not accept the access_token (401)');
    const words = wordsOf(text);
    const hint =
      status === 404 || status === 403
        ? `: is there ${owner}/${repository}, and may ${token === undefined ? 'everybody' : 'the access_token'} use it?`
        : '';
    const said = `GitHub answers ${status}${words === '' ? '' : ` ${words}`}${hint}`;
    return new ResourceFailure(token === undefined ? said : said.replaceAll(token, '***'));
  }
}

function wordsOf(text: string): string {
  try {
    const { message, errors } = JSON.parse(text) as { message?: string; errors?: unknown };
    return [message, errors === undefined ? undefined : JSON.stringify(errors)]
      .filter(Boolean)
      .join(' ')
      .slice(0, 1000);
  } catch {
    return '';
  }
}

function pathOf(ref: string): string {
  return ref.split('/').map(encodeURIComponent).join('/');
}
