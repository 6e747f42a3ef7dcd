import { runInNewContext } from 'node:vm';
import { compareBuild, parse, satisfies, type SemVer } from 'semver';
import { ResourceFailure, type Version } from '../../src/resources/contract.js';
import type { Release } from './api.js';
import type { GithubSource } from './schema.js';

const REGEXP_TIMEOUT_MS = 500;
const DEFAULT_FILTER = '^v?([^v].*)';

/** A release that the source wants. */
export interface Candidate {
  readonly release: Release;
  /** What the tag filter makes of the tag. */
  readonly text: string;
  readonly version: Version;
  readonly timestamp: Date;
  /** Undefined when the text is no version number. */
  readonly number: SemVer | undefined;
}

/** The releases that the source wants, lowest or oldest first. @throws ResourceFailure when the tag filter takes too long. */
export function selectReleases(releases: readonly Release[], source: GithubSource): Candidate[] {
  const kinds = releases.filter((release) => isWanted(release, source));
  const texts = filterTags(
    kinds.map((release) => release.tag_name),
    source.tag_filter,
  );
  const candidates = kinds.flatMap((release, index) => {
    const text = texts[index];
    return text === undefined || text === null ? [] : [candidateOf(release, text)];
  });
  const range = source.semver_constraint;
  const inRange = candidates.filter(
    ({ number }) =>
      range === undefined || (number !== undefined && satisfies(number, range, { includePrerelease: true })),
  );
  if (source.order_by === 'time') {
    return inRange.toSorted(
      (one, other) => one.timestamp.getTime() - other.timestamp.getTime() || one.release.id - other.release.id,
    );
  }
  return inRange
    .flatMap((candidate) => (candidate.number === undefined ? [] : [{ ...candidate, number: candidate.number }]))
    .toSorted((one, other) => compareBuild(one.number, other.number) || one.release.id - other.release.id);
}

/** The version of a release. */
export function versionOf({ id, tag_name, published_at, created_at }: Release): Version {
  return { id: String(id), tag: tag_name, timestamp: published_at ?? created_at };
}

/** From the given version on; the newest alone without one. */
export function versionsFrom(
  candidates: readonly Candidate[],
  version: Version | undefined,
  source: GithubSource,
): Version[] {
  if (version === undefined) return candidates.slice(-1).map((candidate) => candidate.version);
  const given = candidates.findIndex(({ release }) =>
    version['id'] === undefined ? release.tag_name === version['tag'] : String(release.id) === version['id'],
  );
  if (given !== -1) return candidates.slice(given).map((candidate) => candidate.version);
  // It was deleted: what came after it still counts.
  const [text] = filterTags([version['tag'] ?? ''], source.tag_filter);
  const number = numberOf(text ?? '');
  const since = new Date(version['timestamp'] ?? '');
  const newer = candidates.filter((candidate) =>
    source.order_by === 'time'
      ? candidate.timestamp > since
      : number === undefined || candidate.number === undefined || compareBuild(candidate.number, number) > 0,
  );
  return newer.map((candidate) => candidate.version);
}

/** What the tag filter makes of a tag, for the file `version`. */
export function textOfTag(tag: string, source: GithubSource): string {
  return filterTags([tag], source.tag_filter)[0] ?? tag;
}

function isWanted({ draft, prerelease }: Release, source: GithubSource): boolean {
  if (draft !== (source.drafts === true)) return false;
  if (draft) return true;
  return prerelease ? source.pre_release === true : source.release !== false;
}

function candidateOf(release: Release, text: string): Candidate {
  const timestamp = new Date(release.published_at ?? release.created_at);
  return { release, text, version: versionOf(release), timestamp, number: numberOf(text) };
}

/** `1` and `1.2` count as 1.0.0 and 1.2.0. */
function numberOf(text: string): SemVer | undefined {
  const padded = /^\d+(?:\.\d+)?$/.test(text) ? `${text}${'.0'.repeat(text.includes('.') ? 1 : 2)}` : text;
  return parse(padded.replace(/^v/, '')) ?? undefined;
}

/** A pipeline's expression may take for ever on a chosen tag, so it runs where it can be stopped. Null: does not match. */
function filterTags(tags: readonly string[], filter = DEFAULT_FILTER): (string | null)[] {
  try {
    return runInNewContext(
      'tags.map((tag) => { const match = new RegExp(filter).exec(tag); return match && (match[1] ?? match[0]); })',
      { tags: [...tags], filter },
      { timeout: REGEXP_TIMEOUT_MS },
    ) as (string | null)[];
  } catch {
    throw new ResourceFailure('tag_filter takes too long on the names of the tags');
  }
}
