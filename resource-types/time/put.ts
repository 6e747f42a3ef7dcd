import type { FetchResult, StepContext } from '../../src/resources/contract.js';
import { versionAt } from './check.js';

/** Makes a version of now. */
export async function putTime(context: StepContext): Promise<FetchResult> {
  return { version: versionAt(context.now()), metadata: [] };
}
