import { parseDurationMs, ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import { HttpClient, nameOf, type HttpAnswer } from '../registry-image/shared.js';
import type { HttpSource } from './schema.js';

const TIMEOUT_MS = 5 * 60_000;

/** What one operation sends its requests with. */
export interface Exchange {
  readonly client: HttpClient;
  /** Aborts with the step or when the time of the source is over. */
  readonly signal: AbortSignal;
}

/** Runs `work` within the time that the source gives it. @throws ResourceFailure when that is over. */
export async function withExchange<T>(
  context: CheckContext,
  source: HttpSource,
  work: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  context.signal.throwIfAborted();
  const time = AbortSignal.timeout(parseDurationMs(source.timeout ?? '') ?? TIMEOUT_MS);
  const signal = AbortSignal.any([context.signal, time]);
  const client = new HttpClient(
    { signal, cacheDir: context.cacheDir, log: (text) => context.log(text), now: () => context.now() },
    {
      skipsVerification: source.skip_ssl_verification === true,
      ...(source.ca_bundle === undefined ? {} : { caCerts: [source.ca_bundle] }),
    },
  );
  try {
    return await work({ client, signal });
  } catch (error) {
    context.signal.throwIfAborted();
    if (time.aborted)
      throw new ResourceFailure(`${nameOf(new URL(source.url))} took longer than ${source.timeout ?? '5m'}`);
    throw error;
  } finally {
    client.close();
  }
}

/** The headers of the source, with credentials. */
export function headersOf(source: HttpSource): Record<string, string> {
  const headers = Object.fromEntries(
    Object.entries(source.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  if (source.username === undefined) return headers;
  const credentials = Buffer.from(`${source.username}:${source.password ?? ''}`).toString('base64');
  return { ...headers, authorization: `Basic ${credentials}` };
}

/** Asks for the URL, following redirects; no header of the source goes to another host. @throws ResourceFailure unless it is there. */
export async function fetchUrl({ client }: Exchange, source: HttpSource): Promise<HttpAnswer> {
  const headers = headersOf(source);
  // Compressed bodies have other ETags, and would have to be unpacked.
  const all = { 'accept-encoding': 'identity', ...headers };
  const answer = await client.follow({ method: 'GET', url: new URL(source.url), headers: all }, Object.keys(headers));
  if (answer.status >= 200 && answer.status < 300) return answer;
  answer.body.destroy();
  throw new ResourceFailure(`${nameOf(answer.url)} answers ${answer.status}`);
}
