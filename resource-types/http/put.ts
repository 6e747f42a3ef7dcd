import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { findInput, nameOf, readBody, type HttpAnswer, type HttpBody } from '../registry-image/shared.js';
import { fetchUrl, headersOf, withExchange, type Exchange } from './request.js';
import type { HttpPutParams, HttpSource } from './schema.js';
import { versionOfAnswer } from './version.js';

const MAX_ANSWER_BYTES = 1024 * 1024;
/** How much of an unexpected answer is told. */
const MAX_TOLD_CHARS = 500;

/**
 * Sends one request. Redirects are not followed. A put that is repeated after a crash sends again, with the same
 * `Idempotency-Key`, which many APIs understand.
 */
export async function putHttp(
  context: StepContext,
  request: { readonly source: HttpSource; readonly params: HttpPutParams; readonly dir: string },
): Promise<FetchResult> {
  const { source, params, dir } = request;
  const body = await bodyOf(params, dir);
  return withExchange(context, source, async (exchange) => {
    const answer = await send(exchange, context, source, params, body);
    const text = await readBody(answer, MAX_ANSWER_BYTES, `the answer of ${nameOf(answer.url)}`);
    const line = `${params.method ?? 'POST'} ${nameOf(answer.url)} answers ${answer.status}`;
    if (!isExpected(params, answer.status)) {
      const told = text.toString().slice(0, MAX_TOLD_CHARS).trim();
      throw new ResourceFailure(told === '' ? line : `${line}: ${told}`);
    }
    context.log(`${line}\n`);
    return {
      version: await versionAfter(exchange, context, source, text),
      metadata: [{ name: 'status', value: String(answer.status) }],
    };
  });
}

async function send(
  { client }: Exchange,
  context: StepContext,
  source: HttpSource,
  params: HttpPutParams,
  body: HttpBody | undefined,
): Promise<HttpAnswer> {
  const url = new URL(params.url ?? source.url);
  const method = params.method ?? 'POST';
  const own = Object.entries(params.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]);
  const headers = {
    ...(context.stepId === undefined ? {} : { 'idempotency-key': context.stepId }),
    // Another host must not learn what the source's host is told.
    ...(url.origin === new URL(source.url).origin ? headersOf(source) : {}),
    ...(Object.fromEntries(own) as Record<string, string>),
  };
  const isRepeatable = method !== 'POST' && method !== 'PATCH';
  return client.send({ method, url, headers, ...(body && { body }), ...(isRepeatable ? {} : { attempts: 1 }) });
}

async function bodyOf({ body, file }: HttpPutParams, dir: string): Promise<HttpBody | undefined> {
  if (file !== undefined) {
    const path = await findInput(dir, file);
    const info = await stat(path);
    if (!info.isFile()) throw new ResourceFailure(`file: '${file}' is not a file`);
    return { sizeBytes: info.size, open: () => createReadStream(path) };
  }
  if (body === undefined) return undefined;
  const bytes = Buffer.from(body);
  return {
    sizeBytes: bytes.length,
    open: async function* () {
      yield bytes;
    },
  };
}

function isExpected({ expected_status: expected }: HttpPutParams, status: number): boolean {
  if (expected === undefined) return status >= 200 && status < 300;
  return [expected].flat().includes(status);
}

/** What the URL is now; for a URL that is only for puts, the step itself. */
async function versionAfter(
  exchange: Exchange,
  context: StepContext,
  source: HttpSource,
  answer: Buffer,
): Promise<Version> {
  if (source.put_only !== true) return versionOfAnswer(source, await fetchUrl(exchange, source));
  return { request: context.stepId ?? createHash('sha256').update(answer).digest('hex') };
}
