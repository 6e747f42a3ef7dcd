import { runInNewContext } from 'node:vm';
import semver from 'semver';
import { ResourceFailure } from '../../src/resources/contract.js';

const REGEXP_TIMEOUT_MS = 1000;

/** An object that matches, with the number in its path. */
export interface Match {
  readonly path: string;
  readonly number: Numbered;
}

/** A version in a path: numbers between dots, and what comes before them in order (`-rc.1`). */
export interface Numbered {
  readonly text: string;
  readonly parts: readonly bigint[];
  readonly pre: readonly string[];
}

/** The pattern over a whole path, also in Go's way of naming groups; undefined when it is none or has no group. */
export function compilePattern(pattern: string): RegExp | undefined {
  try {
    const groups = new RegExp(`${scriptOf(pattern)}|`).exec('')?.length ?? 0;
    return groups > 1 ? new RegExp(scriptOf(pattern)) : undefined;
  } catch {
    return undefined;
  }
}

/** What the path of every match begins with, up to a `/`. */
export function prefixOfPattern(pattern: string): string {
  if (pattern.includes('|')) return '';
  const literal = /^(?:[^\\^$.|?*+()[\]{}]|\\[^\w])*/.exec(pattern)?.[0] ?? '';
  // What a quantifier follows need not be there.
  const certain = /^[?*{]/.test(pattern.slice(literal.length)) ? literal.replace(/\\?.$/, '') : literal;
  return certain.slice(0, certain.lastIndexOf('/') + 1).replaceAll(/\\(.)/g, '$1');
}

/** The folder in which the matches are; undefined when the pattern leaves that open. */
export function folderOfPattern(pattern: string): string | undefined {
  const depth = pattern.lastIndexOf('/') + 1;
  const folder = pattern.slice(0, depth);
  if (!/^(?:[^\\^$|?*+()[\]{}]|\\[^\w])*$/.test(folder)) return undefined;
  return folder.replaceAll(/\\(.)/g, '$1');
}

/**
 * The paths that match, lowest number first; paths whose group is no version are left out.
 * @throws ResourceFailure when the pattern takes too long.
 */
export function matchPaths(pattern: string, paths: readonly string[]): Match[] {
  return numbersIn(pattern, paths)
    .flatMap((text, index) => {
      const path = paths[index];
      const number = text === null ? undefined : parseNumbered(text);
      return path === undefined || number === undefined ? [] : [{ path, number }];
    })
    .toSorted((one, other) => compareNumbered(one.number, other.number) || (one.path < other.path ? -1 : 1));
}

/** The number in one path; undefined when it does not match. */
export function numberOfPath(pattern: string, path: string): Numbered | undefined {
  return matchPaths(pattern, [path])[0]?.number;
}

export function parseNumbered(text: string): Numbered | undefined {
  const match =
    /^v?(\d+(?:\.\d+)*)(?:-?([A-Za-z][0-9A-Za-z.-]*|-[0-9A-Za-z.-]+)|-([0-9][0-9A-Za-z.-]*))?(?:\+[0-9A-Za-z.-]*)?$/.exec(
      text,
    );
  if (match === null) return undefined;
  const pre = match[2] ?? match[3];
  return {
    text,
    parts: (match[1] ?? '').split('.').map(BigInt),
    pre: pre === undefined ? [] : pre.replace(/^-/, '').split('.'),
  };
}

/** Missing parts count as 0; with a pre-release before the same without. */
export function compareNumbered(one: Numbered, other: Numbered): number {
  for (let index = 0; index < Math.max(one.parts.length, other.parts.length); index++) {
    const [a, b] = [one.parts[index] ?? 0n, other.parts[index] ?? 0n];
    if (a !== b) return a < b ? -1 : 1;
  }
  if (one.pre.length === 0 || other.pre.length === 0) return other.pre.length - one.pre.length;
  for (let index = 0; index < Math.max(one.pre.length, other.pre.length); index++) {
    const [a, b] = [one.pre[index], other.pre[index]];
    if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
    const order = semver.compareIdentifiers(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

/** A pipeline's expression may take for ever on a chosen path, so it runs where it can be stopped. Null: does not match. */
function numbersIn(pattern: string, paths: readonly string[]): (string | null)[] {
  try {
    return runInNewContext(
      'paths.map((path) => { const match = new RegExp(pattern).exec(path); return match && (match.groups?.version ?? match[1] ?? null); })',
      { paths: [...paths], pattern: scriptOf(pattern) },
      { timeout: REGEXP_TIMEOUT_MS },
    ) as (string | null)[];
  } catch {
    throw new ResourceFailure('regexp takes too long on the paths in the bucket');
  }
}

function scriptOf(pattern: string): string {
  return `^(?:${pattern.replaceAll('(?P<', '(?<')})$`;
}
