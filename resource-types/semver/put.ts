import { ResourceFailure, type FetchResult, type StepContext } from '../../src/resources/contract.js';
import { readStepFile } from '../git/shared.js';
import { bumpNumber, numberText, parseNumber } from './bump.js';
import { currentNumber } from './check.js';
import type { SemverPutParams, SemverSource } from './schema.js';
import { withStore } from './store.js';

/**
 * Sets or bumps the stored number. A bump that is repeated by the same step gives the number it has made, unless
 * others have changed it since: then it bumps again, so a number may be left out but is never given twice.
 */
export async function putSemver(
  context: StepContext,
  request: { readonly source: SemverSource; readonly params: SemverPutParams; readonly dir: string },
): Promise<FetchResult> {
  const { source, params, dir } = request;
  const wanted = params.file === undefined ? undefined : await readNumber(dir, params.file);
  const next = (current: string | undefined) => {
    if (wanted !== undefined) return wanted;
    const from = currentNumber(source, current);
    const to = bumpNumber(from, params);
    context.log(`bumping ${numberText(from)} to ${to}\n`);
    return to;
  };
  const number = await withStore(context, source, async (store) =>
    params.get_latest === true
      ? numberText(currentNumber(source, await store.read()))
      : store.change({ next, stepId: context.stepId }),
  );
  return { version: { number }, metadata: [{ name: 'number', value: number }] };
}

async function readNumber(dir: string, path: string): Promise<string> {
  const text = await readStepFile(dir, path, 'file');
  const number = parseNumber(text);
  if (number === undefined) {
    throw new ResourceFailure(`file: '${path}' holds no version number: ${JSON.stringify(text.trim().slice(0, 100))}`);
  }
  return numberText(number);
}
