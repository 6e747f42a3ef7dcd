import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { nameOf, type HttpAnswer } from '../registry-image/shared.js';
import { keep, takeKept } from './kept.js';
import { fetchUrl, withExchange } from './request.js';
import type { HttpGetParams, HttpSource } from './schema.js';
import { isSameVersion, limited, MAX_BYTES, versionOfHeaders, versionOfJson } from './version.js';

/** Headers of answers that may hold secrets: they are of no use to a task. */
const SECRET_HEADERS = new Set(['set-cookie', 'www-authenticate', 'proxy-authenticate', 'authorization']);
/** What differs between two answers with the same body: files of a version are always the same. */
const FLEETING_HEADERS = new Set(['date', 'age', 'connection', 'keep-alive', 'expires', 'x-request-id']);

/** Writes the body and `headers.json`. A version that the URL no longer has comes from the cache, if it is still there. */
export async function getHttp(
  context: StepContext,
  request: {
    readonly source: HttpSource;
    readonly params: HttpGetParams;
    readonly version: Version;
    readonly dir: string;
  },
): Promise<FetchResult> {
  const { source, params, version, dir } = request;
  context.signal.throwIfAborted();
  if (source.put_only !== true && !(await takeKept(context, version, dir))) {
    await fetchInto(context, source, version, dir);
    await keep(context, version, dir);
  }
  if (source.put_only === true) return { version, metadata: [] };
  if (params.filename !== undefined) await rename(join(dir, 'body'), join(dir, params.filename));
  return { version, metadata: await metadataOf(source, join(dir, params.filename ?? 'body')) };
}

async function metadataOf(source: HttpSource, body: string): Promise<FetchResult['metadata']> {
  const url = new URL(source.url);
  // A query may hold a key.
  url.search = '';
  return [
    { name: 'url', value: url.href },
    { name: 'size', value: String((await stat(body)).size) },
  ];
}

async function fetchInto(context: StepContext, source: HttpSource, version: Version, dir: string): Promise<void> {
  await withExchange(context, source, async (exchange) => {
    const answer = await fetchUrl(exchange, source);
    const file = join(dir, 'body');
    const sha256 = createHash('sha256');
    const pieces = limited(answer, source.max_bytes ?? MAX_BYTES);
    const hashed = async function* () {
      for await (const piece of pieces) {
        sha256.update(piece);
        yield piece;
      }
    };
    await pipeline(hashed(), createWriteStream(file), { signal: exchange.signal });
    const found =
      versionOfHeaders(source, answer) ??
      (source.json_pointer === undefined
        ? { sha256: sha256.digest('hex') }
        : versionOfJson(source.json_pointer, await readFile(file), answer.url));
    if (!isSameVersion(found, version)) {
      await rm(file, { force: true });
      throw new ResourceFailure(
        `${nameOf(answer.url)} has no version ${JSON.stringify(version)} any more; it is ${JSON.stringify(found)} now`,
      );
    }
    await writeFile(join(dir, 'headers.json'), `${JSON.stringify(lastingHeaders(answer), undefined, 2)}\n`);
  });
}

function lastingHeaders({ headers }: HttpAnswer): Record<string, string> {
  const lasting = Object.entries(headers).filter(([name]) => !SECRET_HEADERS.has(name) && !FLEETING_HEADERS.has(name));
  return Object.fromEntries(lasting.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
