import { ResourceFailure, type CheckContext, type Version } from '../resources/index.js';
import { durationText } from './check-timing.js';

/** What one check may use. */
export interface CheckBounds {
  readonly timeoutMs: number;
  readonly outputBytes: number;
  readonly versions: number;
  /** All versions of one check together, as JSON. */
  readonly versionBytes: number;
}

export const CHECK_BOUNDS: Omit<CheckBounds, 'timeoutMs'> = {
  outputBytes: 1024 * 1024,
  versions: 100_000,
  versionBytes: 32 * 1024 * 1024,
};

/** A check that exceeded a bound or answered nonsense; the message is for the pipeline's people. */
export class CheckRefused extends ResourceFailure {}

type Work = (context: Pick<CheckContext, 'signal' | 'log'>) => Promise<readonly Version[]>;

/**
 * Runs a check inside its bounds. When one is exceeded, or `signal` aborts, the check's own signal aborts and this rejects at
 * once, whether or not the check listens.
 * @throws CheckRefused naming the bound; else what the check throws, or the reason of `signal`.
 */
export async function runBounded(
  work: Work,
  bounds: CheckBounds,
  { signal, log }: Pick<CheckContext, 'signal' | 'log'>,
): Promise<readonly Version[]> {
  const stop = new AbortController();
  const timer = setTimeout(
    () => stop.abort(new CheckRefused(`check timed out after ${durationText(bounds.timeoutMs)}`)),
    bounds.timeoutMs,
  );
  const bounded = AbortSignal.any([signal, stop.signal]);
  let printed = 0;
  const limitedLog = (text: string): void => {
    if (bounded.aborted) return;
    printed += Buffer.byteLength(text);
    if (printed <= bounds.outputBytes) log(text);
    else stop.abort(new CheckRefused(`check printed more than ${bounds.outputBytes} bytes and was stopped`));
  };
  let end = (): void => undefined;
  const stopped = new Promise<never>((_, reject) => {
    end = () => reject(bounded.reason as Error);
    if (bounded.aborted) end();
    else bounded.addEventListener('abort', end, { once: true });
  });
  try {
    const versions = await Promise.race([work({ signal: bounded, log: limitedLog }), stopped]);
    return validated(versions, bounds);
  } finally {
    clearTimeout(timer);
    bounded.removeEventListener('abort', end);
  }
}

function validated(versions: readonly Version[], bounds: CheckBounds): readonly Version[] {
  if (!(versions instanceof Array)) throw new CheckRefused('check did not answer with a list of versions');
  if (versions.length > bounds.versions)
    throw new CheckRefused(
      `check found ${versions.length} versions, more than the ${bounds.versions} that one check may find`,
    );
  let bytes = 0;
  for (const version of versions as readonly unknown[]) {
    if (!isVersion(version))
      throw new CheckRefused(`check found something that is no version: ${JSON.stringify(version)?.slice(0, 200)}`);
    bytes += JSON.stringify(version).length;
    if (bytes > bounds.versionBytes)
      throw new CheckRefused(`check found more than ${bounds.versionBytes} bytes of versions`);
  }
  return versions;
}

function isVersion(value: unknown): value is Version {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return entries.length > 0 && entries.every(([, text]) => typeof text === 'string');
}
