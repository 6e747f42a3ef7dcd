import { parse, type SemVer } from 'semver';

/** How a number is to be changed; see the readme for the rules. */
export interface Bump {
  readonly bump?: 'major' | 'minor' | 'patch' | 'final' | undefined;
  readonly pre?: string | undefined;
  readonly pre_without_version?: boolean | undefined;
  readonly build?: string | undefined;
  readonly build_without_version?: boolean | undefined;
}

/** The text of a version number; undefined when it is none. A leading `v` is not part of a number. */
export function parseNumber(text: string): SemVer | undefined {
  const trimmed = text.trim();
  return /^\d/.test(trimmed) ? (parse(trimmed) ?? undefined) : undefined;
}

/** With build metadata, which semver's own text leaves out. */
export function numberText({ major, minor, patch, prerelease, build }: Parts): string {
  const pre = prerelease.length === 0 ? '' : `-${prerelease.join('.')}`;
  return `${major}.${minor}.${patch}${pre}${build.length === 0 ? '' : `+${build.join('.')}`}`;
}

type Parts = Pick<SemVer, 'major' | 'minor' | 'patch' | 'prerelease' | 'build'>;

/** True when anything is asked for. */
export function isBump(change: Bump): boolean {
  return change.bump !== undefined || change.pre !== undefined || change.build !== undefined;
}

/**
 * The number after the change: first `bump`, which drops pre-release and build; then `pre`; then `build`. Unlike
 * `npm version`, a bump of a pre-release goes to the next number: 2.0.0-rc.1 bumped by major is 3.0.0.
 */
export function bumpNumber(from: SemVer, change: Bump): string {
  let parts: Parts = { ...pick(from) };
  if (change.bump !== undefined) parts = { ...steps[change.bump](parts), prerelease: [], build: [] };
  if (change.pre !== undefined) {
    const prerelease = count(parts.prerelease, change.pre, change.pre_without_version === true);
    parts = { ...parts, prerelease, build: [] };
  }
  if (change.build !== undefined) {
    parts = {
      ...parts,
      build: count(parts.build, change.build, change.build_without_version === true).map(String),
    };
  }
  return numberText(parts);
}

const steps = {
  major: (from: Parts) => ({ ...from, major: from.major + 1, minor: 0, patch: 0 }),
  minor: (from: Parts) => ({ ...from, minor: from.minor + 1, patch: 0 }),
  patch: (from: Parts) => ({ ...from, patch: from.patch + 1 }),
  final: (from: Parts) => from,
};

/** `rc` after nothing or after another name is `rc.1`; after `rc.3` it is `rc.4`. */
function count(before: readonly (string | number)[], label: string, isWithoutNumber: boolean): (string | number)[] {
  const names = label.split('.');
  if (isWithoutNumber) return names;
  const [last, ...others] = [...before].reverse();
  const isSame = others.length === names.length && others.reverse().join('.') === label;
  return [...names, isSame && /^\d+$/.test(String(last)) ? Number(last) + 1 : 1];
}

function pick({ major, minor, patch, prerelease, build }: SemVer): Parts {
  return { major, minor, patch, prerelease, build };
}
