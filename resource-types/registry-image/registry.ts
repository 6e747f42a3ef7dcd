import { z } from 'zod';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { Connection, type RegistryOptions } from './connection.js';
import { digestOf, isDigest, verified, verifyBytes } from './digest.js';
import { drop, nameOf, parseJson, readBody, type HttpAnswer, type HttpBody } from './http.js';
import { MANIFEST_TYPES, OCI_MANIFEST, type Descriptor } from './manifest.js';

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
/** One repository at a registry, by the distribution API. Every byte that comes back is verified. {@link close} it. */
export class Registry {
  private readonly connection: Connection;

  constructor(
    private readonly context: CheckContext,
    options: RegistryOptions,
  ) {
    this.connection = new Connection(context, options);
  }

  /** For messages. */
  get title(): string {
    return this.connection.title;
  }

  close(): void {
    this.connection.close();
  }

  /** The digest of what a tag or digest names; undefined when it is not there. Downloads nothing where the registry allows it. */
  async digestOf(reference: string): Promise<string | undefined> {
    const answer = await this.connection.request('HEAD', `manifests/${reference}`, {
      headers: { accept: MANIFEST_TYPES },
    });
    drop(answer);
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
    const what = `blob ${blob.digest}`;
    return this.connection.http.unbroken(async () => {
      const answer = await this.connection.request('GET', `blobs/${blob.digest}`);
      if (answer.status !== 200) throw await this.connection.refusal(answer, `fetch ${what}`);
      const bytes = await readBody(answer, maxBytes, what);
      verifyBytes(bytes, blob.digest, what);
      return bytes;
    });
  }

  /**
   * The bytes of a blob, going on where a broken connection ended.
   * @throws ResourceFailure after the last byte when they are not what the digest promises.
   */
  blob(blob: Descriptor): AsyncIterable<Uint8Array> {
    return verified(this.resumed(blob), blob.digest, `blob ${blob.digest}`);
  }

  async hasBlob(digest: string): Promise<boolean> {
    const answer = await this.connection.request('HEAD', `blobs/${digest}`);
    drop(answer);
    return answer.status === 200;
  }

  /** All tags, in the registry's order; none when the repository is not there. */
  async tags(): Promise<readonly string[]> {
    const tags: string[] = [];
    let next: string | undefined = 'tags/list?n=1000';
    for (let count = 0; next !== undefined; count++) {
      if (count === MAX_TAGS_PAGES) throw new ResourceFailure(`${this.title} has no end of tags`);
      const path: string = next;
      const page = await this.connection.http.unbroken(() => this.tagsPage(path));
      if (page === undefined) return [];
      tags.push(...page.tags);
      next = page.next;
    }
    return tags;
  }

  /** Uploads a blob unless the registry has it, or can take it from another repository of its own. */
  async pushBlob(digest: string, body: HttpBody): Promise<'pushed' | 'present'> {
    for (let attempt = 1; ; attempt++) {
      if (await this.hasBlob(digest)) return 'present';
      const begun = await this.connection.request('POST', `blobs/uploads/?mount=${digest}`);
      if (begun.status === 201) {
        drop(begun);
        return 'present';
      }
      if (begun.status !== 202) throw await this.connection.refusal(begun, 'begin an upload');
      drop(begun);
      try {
        await this.finishUpload(begun, digest, body);
        return 'pushed';
      } catch (error) {
        this.context.signal.throwIfAborted();
        if (attempt === UPLOAD_ATTEMPTS || error instanceof ResourceFailure) throw error;
        this.context.log(`upload of ${digest} broke off, trying again\n`);
        await this.connection.http.pause(500 * attempt);
      }
    }
  }

  /** Stores a manifest or index under a tag or its digest. @returns its digest. */
  async pushManifest(reference: string, mediaType: string, bytes: Buffer): Promise<string> {
    const digest = digestOf(bytes);
    const answer = await this.connection.request('PUT', `manifests/${reference}`, {
      headers: { 'content-type': mediaType },
      body: { sizeBytes: bytes.length, open: () => once(bytes) },
    });
    if (answer.status !== 201 && answer.status !== 200)
      throw await this.connection.refusal(answer, `push ${reference}`);
    drop(answer);
    const stored = answer.headers['docker-content-digest'];
    if (stored !== undefined && stored !== digest) {
      throw new ResourceFailure(`${this.title} stored ${reference} as ${stored} and not as ${digest}`);
    }
    return digest;
  }

  private async tagsPage(path: string): Promise<{ tags: readonly string[]; next: string | undefined } | undefined> {
    const answer = await this.connection.request('GET', path);
    if (answer.status === 404) {
      drop(answer);
      return undefined;
    }
    if (answer.status !== 200) throw await this.connection.refusal(answer, 'list tags');
    const text = await readBody(answer, MAX_TAGS_PAGE_BYTES, `the list of tags of ${this.title}`);
    const found = tagsAnswer.safeParse(parseJson(text));
    if (!found.success) throw new ResourceFailure(`${this.title} gives no list of tags`);
    return { tags: found.data.tags ?? [], next: nextPage(answer) };
  }

  private async findManifest(reference: string): Promise<FetchedManifest | undefined> {
    return this.connection.http.unbroken(() => this.fetchManifest(reference));
  }

  private async fetchManifest(reference: string): Promise<FetchedManifest | undefined> {
    const answer = await this.connection.request('GET', `manifests/${reference}`, {
      headers: { accept: MANIFEST_TYPES },
    });
    if (answer.status === 404) {
      drop(answer);
      return undefined;
    }
    if (answer.status !== 200) throw await this.connection.refusal(answer, `fetch ${reference}`);
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
      const answer = await this.connection.request('GET', `blobs/${blob.digest}`, { headers });
      if (answer.status !== 200 && answer.status !== 206)
        throw await this.connection.refusal(answer, `fetch blob ${blob.digest}`);
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
        await this.connection.http.pause(250 * 2 ** attempt);
      } finally {
        drop(answer);
      }
    }
  }

  private async finishUpload(begun: HttpAnswer, digest: string, body: HttpBody): Promise<void> {
    const location = begun.headers['location'] ?? '';
    if (!URL.canParse(location, begun.url.href))
      throw new ResourceFailure(`${this.title} names no place for an upload`);
    const url = new URL(location, begun.url);
    url.searchParams.set('digest', digest);
    const answer = await this.connection.upload(url, body);
    if (answer.status >= 500 || answer.status === 401 || answer.status === 404) {
      drop(answer); // a lost session or a token that ran out meanwhile: a new upload may do
      throw new Error(`${nameOf(url)} answers ${answer.status}`);
    }
    if (answer.status !== 201 && answer.status !== 204)
      throw await this.connection.refusal(answer, `store blob ${digest}`);
    drop(answer);
  }
}

/** The `next` of a `Link` header, as a path of this repository: never another host. */
function nextPage({ headers, url }: HttpAnswer): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(headers['link'] ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, url.href)) return undefined;
  return `tags/list${new URL(target, url).search}`;
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
