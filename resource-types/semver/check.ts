import { compareBuild, type SemVer } from 'semver';
import { ResourceFailure, type CheckContext, type Version } from '../../src/resources/contract.js';
import { numberText, parseNumber } from './bump.js';
import type { SemverSource } from './schema.js';
import { withStore } from './store.js';

/** The given version and the current number behind it when it is higher; nothing when it is lower. */
export async function checkSemver(
  context: CheckContext,
  { source, version }: { readonly source: SemverSource; readonly version?: Version },
): Promise<readonly Version[]> {
  const stored = await withStore(context, source, (store) => store.read());
  const current = currentNumber(source, stored);
  const given = version && numberOf(version);
  const order = given === undefined ? 1 : compareBuild(current, given);
  if (order < 0) {
    context.log(
      `the number is ${numberText(current)}, lower than the version ${numberText(given ?? current)}: no version\n`,
    );
    return [];
  }
  return [...(version === undefined ? [] : [version]), ...(order === 0 ? [] : [{ number: numberText(current) }])];
}

/** The stored number, or the initial one. @throws ResourceFailure when what is stored is no number. */
export function currentNumber(source: SemverSource, stored: string | undefined): SemVer {
  const number = parseNumber(stored ?? source.initial_version ?? '0.0.0');
  if (number === undefined) {
    throw new ResourceFailure(`what is stored is not a version number: ${JSON.stringify(stored?.slice(0, 100))}`);
  }
  return number;
}

/** @throws ResourceFailure when the version has none. */
export function numberOf(version: Version): SemVer {
  const number = parseNumber(version['number'] ?? '');
  if (number === undefined) throw new ResourceFailure(`the version has no usable number: ${JSON.stringify(version)}`);
  return number;
}
