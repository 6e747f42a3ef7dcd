import { z } from 'zod';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { Authenticator, type Credentials } from './auth.js';
import { digestOf, isDigest, verified, verifyBytes } from './digest.js';
import { HttpClient, isNoTls, nameOf, readBody, type HttpAnswer, type HttpBody, type HttpRequest } from './http.js';
import { MANIFEST_TYPES, OCI_MANIFEST, type Descriptor } from './manifest.js';
import { isLoopback } from './reference.js';

export interface RegistryOptions {
  readonly host: string;
  /** Path of the repository. */
  readonly name: string;
  readonly credentials?: Credentials;
  readonly allowsPush?: boolean;
  /** Certificates are not verified, and plain HTTP is used when there is no TLS. */
  readonly insecure?: boolean;
  readonly caCerts?: readonly string[];
  readonly debug?: boolean;
}

export interface FetchedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_TAGS_PAGE_BYTES = 32 * 1024 * 1024;
const MAX_TAGS_PAGES = 10_000;
const DOWNLOAD_ATTEMPTS = 5;
const UPLOAD_ATTEMPTS = 3;

const tagsAnswer = z.object({ tags: z.array(z.string()).nullish() });
const errorAnswer = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })),
});

/** One repository at a registry, by the distribution API. Every byte that comes back is verified. {@link close} it. */
export class Registry {
  private readonly http: HttpClient;
  private readonly auth: Authenticator;
  private base: Promise<URL> | undefined;

  constructor(
    private readonly context: CheckContext,
    private readonly options: RegistryOptions,
  ) {
    this.http = new HttpClient(context, {
      skipsVerification: options.insecure === true,
      ...(options.caCerts && { caCerts: options.caCerts }),
      ...(options.debug === true && { debug: true }),
    });
    const actions = options.allowsPush === true ? 'pull,push' : 'pull';
    this.auth = new Authenticator(this.http, `repository:${options.name}:${actions}`, options.credentials);
  }

  /** For messages. */
  get title(): string {
    return `${this.options.host}/${this.options.name}`;
  }

  close(): void {
    this.http.close();
  }

  /** The digest of what a tag or digest names; undefined when it is not there. Downloads nothing where the registry allows it. */
  async digestOf(reference: string): Promise<string | undefined> {
    const answer = await this.request('HEAD', `manifests/${reference}`, { headers: { accept: MANIFEST_TYPES } });
    answer.body.destroy();
    if (answer.status === 404) return undefined;
    const digest = answer.headers['docker-content-digest'];
    // Some registries do not know HEAD, or do not tell the digest.
    if (answer.status !== 200 || digest === undefined || !isDigest(digest))
      return (await this.findManifest(reference))?.digest;
    return digest;
  }

  /** The manifest or index. @throws ResourceFailure when it is not there. */
  async manifest(reference: string): Promise<FetchedManifest> {
    const found = await this.findManifest(reference);
    if (found === undefined) throw new ResourceFailure(`there is no ${reference} in ${this.title}`);
    return found;
  }

  /** A small blob as a whole. @throws ResourceFailure when it is not there, too big, or not what its digest promises. */
  async smallBlob(blob: Descriptor, maxBytes: number): Promise<Buffer> {
    const answer = await this.request('GET', `blobs/${blob.digest}`);
    if (answer.status !== 200) throw await this.refusal(answer, `fetch blob ${blob.digest}`);
    const bytes = await readBody(answer, maxBytes, `blob ${blob.digest}`);
    verifyBytes(bytes, blob.digest, `blob ${blob.digest}`);
    return bytes;
  }

  /**
   * The bytes of a blob, going on where a broken connection ended.
   * @throws ResourceFailure after the last byte when they are not what the digest promises.
   */
  blob(blob: Descriptor): AsyncIterable<Uint8Array> {
    return verified(this.resumed(blob), blob.digest, `blob ${blob.digest}`);
  }

  async hasBlob(digest: string): Promise<boolean> {
    const answer = await this.request('HEAD', `blobs/${digest}`);
    answer.body.destroy();
    return answer.status === 200;
  }

  /** All tags, in the registry's order; none when the repository is not there. */
  async tags(): Promise<readonly string[]> {
    const tags: string[] = [];
    let path: string | undefined = 'tags/list?n=1000';
    for (let page = 0; path !== undefined; page++) {
      if (page === MAX_TAGS_PAGES) throw new ResourceFailure(`${this.title} has no end of tags`);
      const answer = await this.request('GET', path);
      if (answer.status === 404) {
        answer.body.destroy();
        return [];
      }
      if (answer.status !== 200) throw await this.refusal(answer, 'list tags');
      const text = await readBody(answer, MAX_TAGS_PAGE_BYTES, `the list of tags of ${this.title}`);
      const found = tagsAnswer.safeParse(parseJson(text));
      if (!found.success) throw new ResourceFailure(`${this.title} gives no list of tags`);
      tags.push(...(found.data.tags ?? []));
      path = nextPage(answer);
    }
    return tags;
  }

  /** Uploads a blob unless the registry has it, or can take it from another repository of its own. */
  async pushBlob(digest: string, body: HttpBody): Promise<'pushed' | 'present'> {
    for (let attempt = 1; ; attempt++) {
      if (await this.hasBlob(digest)) return 'present';
      const begun = await this.request('POST', `blobs/uploads/?mount=${digest}`);
      if (begun.status === 201) {
        begun.body.destroy();
        return 'present';
      }
      if (begun.status !== 202) throw await this.refusal(begun, 'begin an upload');
      begun.body.destroy();
      try {
        await this.finishUpload(begun, digest, body);
        return 'pushed';
      } catch (error) {
        this.context.signal.throwIfAborted();
        if (attempt === UPLOAD_ATTEMPTS || error instanceof ResourceFailure) throw error;
        this.context.log(`upload of ${digest} broke off, trying again\n`);
        await this.http.pause(500 * attempt);
      }
    }
  }

  /** Stores a manifest or index under a tag or its digest. @returns its digest. */
  async pushManifest(reference: string, mediaType: string, bytes: Buffer): Promise<string> {
    const digest = digestOf(bytes);
    const answer = await this.request('PUT', `manifests/${reference}`, {
      headers: { 'content-type': mediaType },
      body: { sizeBytes: bytes.length, open: () => once(bytes) },
    });
    if (answer.status !== 201 && answer.status !== 200) throw await this.refusal(answer, `push ${reference}`);
    answer.body.destroy();
    const stored = answer.headers['docker-content-digest'];
    if (stored !== undefined && stored !== digest) {
      throw new ResourceFailure(`${this.title} stored ${reference} as ${stored} and not as ${digest}`);
    }
    return digest;
  }

  private async findManifest(reference: string): Promise<FetchedManifest | undefined> {
    const answer = await this.request('GET', `manifests/${reference}`, { headers: { accept: MANIFEST_TYPES } });
    if (answer.status === 404) {
      answer.body.destroy();
      return undefined;
    }
    if (answer.status !== 200) throw await this.refusal(answer, `fetch ${reference}`);
    const bytes = await readBody(answer, MAX_MANIFEST_BYTES, `manifest ${reference}`);
    if (isDigest(reference)) verifyBytes(bytes, reference, `manifest ${reference}`);
    const digest = isDigest(reference) ? reference : digestOf(bytes);
    const promised = answer.headers['docker-content-digest'];
    if (promised?.startsWith('sha256:') && !isDigest(reference)) verifyBytes(bytes, promised, `manifest ${reference}`);
    return { digest, bytes, mediaType: (answer.headers['content-type'] ?? OCI_MANIFEST).split(';', 1)[0] ?? '' };
  }

  private async *resumed(blob: Descriptor): AsyncGenerator<Uint8Array> {
    let received = 0;
    for (let attempt = 1; ; attempt++) {
      const headers: Record<string, string> = received === 0 ? {} : { range: `bytes=${received}-` };
      const answer = await this.request('GET', `blobs/${blob.digest}`, { headers });
      if (answer.status !== 200 && answer.status !== 206) throw await this.refusal(answer, `fetch blob ${blob.digest}`);
      let toSkip = answer.status === 200 ? received : 0; // not everybody knows ranges
      try {
        for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
          const fresh = chunk.subarray(Math.min(toSkip, chunk.length));
          toSkip -= chunk.length - fresh.length;
          received += fresh.length;
          if (received > blob.size) throw new ResourceFailure(`blob ${blob.digest} is longer than ${blob.size} bytes`);
          if (fresh.length > 0) yield fresh;
        }
        if (received === blob.size) return;
        throw new Error(`blob ${blob.digest} ended after ${received} of ${blob.size} bytes`);
      } catch (error) {
        this.context.signal.throwIfAborted();
        if (error instanceof ResourceFailure || attempt === DOWNLOAD_ATTEMPTS) throw error;
        await this.http.pause(250 * 2 ** attempt);
      } finally {
        answer.body.destroy();
      }
    }
  }

  private async finishUpload(begun: HttpAnswer, digest: string, body: HttpBody): Promise<void> {
    const location = begun.headers['location'] ?? '';
    if (!URL.canParse(location, begun.url.href))
      throw new ResourceFailure(`${this.title} names no place for an upload`);
    const url = new URL(location, begun.url);
    url.searchParams.set('digest', digest);
    const { authorization } = this.auth;
    // The place is the registry's own or one that carries its own permission: ours goes to nobody else.
    const isOwn = url.origin === (await this.root()).origin;
    if (!isOwn && url.protocol !== 'https:')
      throw new ResourceFailure(`${this.title} wants uploads at an unsecured place`);
    const answer = await this.http.send({
      method: 'PUT',
      url,
      headers: { 'content-type': 'application/octet-stream', ...(isOwn && authorization && { authorization }) },
      body,
      attempts: 1,
    });
    if (answer.status >= 500 || answer.status === 401 || answer.status === 404) {
      answer.body.destroy(); // a lost session or a token that ran out meanwhile: a new upload may do
      throw new Error(`${nameOf(url)} answers ${answer.status}`);
    }
    if (answer.status !== 201 && answer.status !== 204) throw await this.refusal(answer, `store blob ${digest}`);
    answer.body.destroy();
  }

  private async request(
    method: HttpRequest['method'],
    path: string,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly body?: HttpBody } = {},
  ): Promise<HttpAnswer> {
    const root = await this.root();
    const url = new URL(`${this.options.name}/${path}`, root);
    for (let isSecond = false; ; isSecond = true) {
      const { authorization } = this.auth;
      const headers = { ...more.headers, ...(authorization !== undefined && { authorization }) };
      const answer = await this.http.follow({ ...more, method, url, headers }, ['authorization']);
      if (answer.status !== 401 || answer.url.origin !== root.origin) return answer;
      answer.body.destroy();
      if (isSecond) throw new ResourceFailure(`${this.title} refuses the credentials`);
      await this.auth.meet(answer.headers['www-authenticate'], root);
    }
  }

  /** Where the API is: over TLS, or plain where that is allowed and there is no TLS. */
  private root(): Promise<URL> {
    return (this.base ??= this.findRoot());
  }

  private async findRoot(): Promise<URL> {
    const { host, insecure } = this.options;
    const secured = new URL(`https://${host}/v2/`);
    if (insecure !== true && !isLoopback(host)) return secured;
    try {
      (await this.http.send({ method: 'GET', url: secured, attempts: 1 })).body.destroy();
      return secured;
    } catch (error) {
      this.context.signal.throwIfAborted();
      if (!isNoTls(error)) throw error;
      return new URL(`http://${host}/v2/`);
    }
  }

  private async refusal(answer: HttpAnswer, what: string): Promise<Error> {
    const bytes = await readBody(answer, MAX_MANIFEST_BYTES, 'the answer').catch(() => Buffer.alloc(0));
    const errors = errorAnswer.safeParse(parseJson(bytes)).data?.errors ?? [];
    const words = errors.map(({ code, message }) => message ?? code ?? '').filter((text) => text !== '');
    return new ResourceFailure(
      `cannot ${what} in ${this.title}: ${nameOf(answer.url)} answers ${answer.status}${words.map((text) => `, ${text}`).join('')}`,
    );
  }
}

/** The `next` of a `Link` header, as a path of this repository: never another host. */
function nextPage({ headers, url }: HttpAnswer): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(headers['link'] ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, url.href)) return undefined;
  return `tags/list${new URL(target, url).search}`;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
