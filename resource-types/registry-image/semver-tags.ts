import { Range, SemVer } from 'semver';

/** A tag that is a version: `1`, `1.2`, `v1.2.3`, `1.2.3-rc.1`, with the variant taken off. */
export interface VersionTag {
  readonly tag: string;
  readonly version: SemVer;
  /** How many numbers it has: 3 is the most specific. */
  readonly depth: number;
}

export interface TagFilter {
  /** Only tags that end with it, and no others with a suffix. */
  readonly variant?: string | undefined;
  readonly preReleases?: boolean | undefined;
  /** What begins a pre-release; any other suffix is a variant. Default alpha, beta and rc. */
  readonly preReleasePrefixes?: readonly string[] | undefined;
}

const NUMBERS = /^v?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-(.+))?$/;

/** Reads a tag as a version; undefined when it is none, or another variant. Pre-releases are read whatever the filter says. */
export function parseVersionTag(tag: string, { variant, preReleasePrefixes }: TagFilter): VersionTag | undefined {
  const suffix = variant === undefined ? '' : `-${variant}`;
  if (!tag.endsWith(suffix)) return undefined;
  const [, major, minor, patch, rest] = NUMBERS.exec(tag.slice(0, tag.length - suffix.length)) ?? [];
  if (major === undefined) return undefined;
  if (rest !== undefined && !isPreRelease(rest, preReleasePrefixes ?? ['alpha', 'beta', 'rc'])) return undefined;
  const numbers = [major, minor ?? '0', patch ?? '0'].map(Number).join('.');
  const depth = [major, minor, patch].filter((number) => number !== undefined).length;
  return { tag, version: new SemVer(rest === undefined ? numbers : `${numbers}-${rest}`), depth };
}

/** The tags that are versions and pass the filter, lowest version first; of equal ones the most specific last. */
export function versionTags(tags: readonly string[], filter: TagFilter): VersionTag[] {
  return tags
    .flatMap((tag) => parseVersionTag(tag, filter) ?? [])
    .filter(({ version }) => filter.preReleases === true || version.prerelease.length === 0)
    .sort((a, b) => a.version.compare(b.version) || a.depth - b.depth || (a.tag < b.tag ? 1 : -1));
}

/**
 * Reads a constraint: what npm knows, and also `,` for "and" and `!=`. A part that names a pre-release takes others too.
 * @throws TypeError when it is not one.
 */
export function parseConstraint(text: string): (version: SemVer) => boolean {
  const parts = text.split('||').map((part) => {
    const spaced = part.replaceAll(',', ' ').trim();
    const excluded = [...spaced.matchAll(/!=\s*(\S+)/g)].map(([, version = '']) => new Range(version));
    const includePrerelease = /\d-[0-9A-Za-z]/.test(spaced);
    const range = new Range(spaced.replaceAll(/!=\s*\S+/g, ' ').trim(), { includePrerelease });
    return (version: SemVer) => range.test(version) && !excluded.some((other) => other.test(version));
  });
  return (version) => parts.some((accepts) => accepts(version));
}

/**
 * The aliases that a new version takes over: `1.2`, `1` and `latest` (or the variant) where no higher version is among the
 * tags. A pre-release takes none.
 */
export function aliasesOf(released: VersionTag, tags: readonly string[], filter: TagFilter): string[] {
  const { version } = released;
  if (version.prerelease.length > 0) return [];
  const higher = versionTags(tags, { ...filter, preReleases: false })
    .map((other) => other.version)
    .filter((other) => other.compare(version) > 0);
  const suffix = filter.variant === undefined ? '' : `-${filter.variant}`;
  const aliases: string[] = [];
  if (!higher.some(({ major, minor }) => major === version.major && minor === version.minor)) {
    aliases.push(`${version.major}.${version.minor}${suffix}`);
  }
  if (!higher.some(({ major }) => major === version.major)) aliases.push(`${version.major}${suffix}`);
  if (higher.length === 0) aliases.push(filter.variant ?? 'latest');
  return aliases;
}

/** `rc`, `rc1`, `rc.1`, `beta-2` for the prefixes `rc` and `beta`; not `rc.1-alpine`, which has a variant. */
function isPreRelease(text: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => {
    const rest = text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
    return rest !== undefined && /^(?:$|[.-]?\d[0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*$|(?:\.[0-9A-Za-z]+)+$)/.test(rest);
  });
}
