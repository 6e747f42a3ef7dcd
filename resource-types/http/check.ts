import type { CheckContext, Version } from '../../src/resources/contract.js';
import { fetchUrl, withExchange } from './request.js';
import type { HttpSource } from './schema.js';
import { isSameVersion, versionOfAnswer } from './version.js';

/** The given version, and the URL's present one behind it when it is another. */
export async function checkHttp(
  context: CheckContext,
  { source, version }: { readonly source: HttpSource; readonly version?: Version },
): Promise<readonly Version[]> {
  context.signal.throwIfAborted();
  const given = version === undefined ? [] : [version];
  if (source.put_only === true) return given;
  return withExchange(context, source, async (exchange) => {
    const now = await versionOfAnswer(source, await fetchUrl(exchange, source));
    return version !== undefined && isSameVersion(version, now) ? given : [...given, now];
  });
}
