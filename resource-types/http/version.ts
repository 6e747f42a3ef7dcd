import { createHash } from 'node:crypto';
import { ResourceFailure, type Version } from '../../src/resources/contract.js';
import { nameOf, readBody, type HttpAnswer } from '../registry-image/shared.js';
import type { HttpSource } from './schema.js';

/** The most of a JSON body that is read to find a field. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;
export const MAX_BYTES = 1024 ** 3;

/** The version by the headers alone; undefined when the body must be read for it. @throws ResourceFailure when the asked one is missing. */
export function versionOfHeaders(source: HttpSource, { url, headers }: HttpAnswer): Version | undefined {
  if (source.json_pointer !== undefined || source.version_from === 'sha256') return undefined;
  const { etag, 'last-modified': lastModified } = headers;
  if (source.version_from !== 'last_modified' && etag) return { etag };
  if (source.version_from === 'etag') throw new ResourceFailure(`${nameOf(url)} gives no ETag`);
  if (lastModified) return { last_modified: lastModified };
  if (source.version_from === 'last_modified') throw new ResourceFailure(`${nameOf(url)} gives no Last-Modified`);
  return undefined;
}

/** Reads the version from an answer, and only as much of the body as that takes. */
export async function versionOfAnswer(source: HttpSource, answer: HttpAnswer): Promise<Version> {
  const version = versionOfHeaders(source, answer);
  if (version !== undefined) {
    answer.body.destroy();
    return version;
  }
  if (source.json_pointer !== undefined) {
    const limit = Math.min(source.max_bytes ?? MAX_JSON_BYTES, MAX_JSON_BYTES);
    return versionOfJson(
      source.json_pointer,
      await readBody(answer, limit, `the answer of ${nameOf(answer.url)}`),
      answer.url,
    );
  }
  const hash = createHash('sha256');
  for await (const chunk of limited(answer, source.max_bytes ?? MAX_BYTES)) hash.update(chunk);
  return { sha256: hash.digest('hex') };
}

/** @throws ResourceFailure when the body is no JSON, or the field is missing or no single value. */
export function versionOfJson(pointer: string, body: Buffer, url: URL): Version {
  let value: unknown;
  try {
    value = JSON.parse(body.toString()) as unknown;
  } catch {
    throw new ResourceFailure(`the answer of ${nameOf(url)} is not JSON`);
  }
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const holder = typeof value === 'object' && value !== null ? value : {};
    value = Object.hasOwn(holder, key) ? (holder as Record<string, unknown>)[key] : undefined;
  }
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    throw new ResourceFailure(
      `json_pointer: there is no single value at ${JSON.stringify(pointer)} in the answer of ${nameOf(url)}`,
    );
  }
  return { value: String(value) };
}

/** The body in pieces. @throws ResourceFailure when it is longer than allowed. */
export async function* limited({ url, body }: HttpAnswer, maxBytes: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new ResourceFailure(`the answer of ${nameOf(url)} is longer than ${maxBytes} bytes`);
    yield chunk;
  }
}

export function isSameVersion(one: Version, other: Version): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}
