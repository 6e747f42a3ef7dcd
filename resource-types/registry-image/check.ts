import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CheckContext, Version } from '../../src/resources/contract.js';
import { inParallel } from './in-parallel.js';
import { fetchImageConfig, resolveImage } from './image.js';
import type { Registry } from './registry.js';
import { imageVersion, type ImageSource } from './schema.js';
import { parseConstraint, parseVersionTag, versionTags, type TagFilter, type VersionTag } from './semver-tags.js';
import { pulling } from './sessions.js';

interface CheckRequest {
  readonly source: ImageSource;
  readonly version?: Version;
}

interface TagVersion {
  readonly tag: string;
  readonly digest: string;
}

const REQUESTS_AT_ONCE = 8;

/** Versions of the tag, of the tags that match, or of the tags that are versions; see `readme.md`. */
export async function checkImage(
  context: CheckContext,
  { source, version }: CheckRequest,
): Promise<readonly Version[]> {
  context.signal.throwIfAborted();
  const given = imageVersion.safeParse(version).data;
  const find = async (registry: Registry): Promise<readonly Version[]> => {
    const found = await findVersions(context, registry, source, given?.tag);
    if (given === undefined || version === undefined) return found.map(({ tag, digest }) => ({ tag, digest }));
    const isGiven = (other: TagVersion) => other.tag === (given.tag ?? other.tag) && other.digest === given.digest;
    const newer = found.slice(found.findIndex(isGiven) + 1).map(({ tag, digest }) => ({ tag, digest }));
    const isThere = found.some(isGiven) || (await registry.digestOf(given.digest)) !== undefined;
    return isThere ? [version, ...newer] : newer;
  };
  return pulling(context, source, {}, find, (versions) => versions.length === 0);
}

/** All versions from the given tag on, oldest first. */
async function findVersions(
  context: CheckContext,
  registry: Registry,
  source: ImageSource,
  from: string | undefined,
): Promise<readonly TagVersion[]> {
  if (source.tag !== undefined) return digestsOf(registry, [source.tag]);
  const tags = await registry.tags();
  if (source.tag_regex === undefined) return semverVersions(registry, tags, source, from);
  const pattern = new RegExp(source.tag_regex);
  const matching = tags.filter((tag) => pattern.test(tag));
  const sorted = naturally(matching);
  if (source.created_at_sort === true) return byCreation(context, registry, await digestsOf(registry, sorted), source);
  // Each tag costs a request: what stands before the given one was found before.
  return digestsOf(registry, sorted.slice(Math.max(0, sorted.indexOf(from ?? ''))));
}

/** The most specific tag of each digest, in the order of the versions. */
async function semverVersions(
  registry: Registry,
  tags: readonly string[],
  source: ImageSource,
  from: string | undefined,
): Promise<readonly TagVersion[]> {
  const filter: TagFilter = {
    variant: source.variant,
    preReleases: source.pre_releases,
    preReleasePrefixes: source.pre_release_prefixes,
  };
  const satisfies = parseConstraint(source.semver_constraint ?? '>=0.0.0-0');
  // As above: what is older than the given version was found before.
  const oldest = from === undefined ? undefined : parseVersionTag(from, filter);
  const newer = versionTags(tags, filter).filter(
    ({ version }) => oldest === undefined || version.compare(oldest.version) >= 0,
  );
  // `1` may satisfy what the image it stands for, `1.10.0`, does not: then that has to be known.
  const wanted = newer.filter(({ version }) => satisfies(version));
  const candidates = newer.filter((one) => satisfies(one.version) || wanted.some((alias) => isAliasOf(alias, one)));
  const names = candidates.map(({ tag }) => tag);
  const digests = new Map((await digestsOf(registry, names)).map(({ tag, digest }) => [tag, digest]));
  const best = new Map<string, VersionTag>();
  for (const candidate of candidates) {
    const digest = digests.get(candidate.tag);
    if (digest !== undefined && candidate.depth >= (best.get(digest)?.depth ?? 0)) best.set(digest, candidate);
  }
  return wanted.flatMap((candidate) => {
    const digest = digests.get(candidate.tag);
    return digest !== undefined && best.get(digest) === candidate ? [{ tag: candidate.tag, digest }] : [];
  });
}

/** True when the first may be a shorter name of the second. */
function isAliasOf(alias: VersionTag, { version, depth }: VersionTag): boolean {
  if (alias.depth >= depth || alias.version.major !== version.major) return false;
  return alias.depth === 1 || alias.version.minor === version.minor;
}

/** Digests of the tags, in their order; a tag that vanished meanwhile is left out. */
async function digestsOf(registry: Registry, tags: readonly string[]): Promise<readonly TagVersion[]> {
  const found = await inParallel(tags, REQUESTS_AT_ONCE, async (tag) => ({
    tag,
    digest: await registry.digestOf(tag),
  }));
  return found.flatMap(({ tag, digest }) => (digest === undefined ? [] : [{ tag, digest }]));
}

/** `build-2` before `build-10`. */
function naturally(tags: readonly string[]): string[] {
  const collator = new Intl.Collator('en', { numeric: true });
  return tags.toSorted((a, b) => collator.compare(a, b) || (a < b ? -1 : 1));
}

const creationTimes = z.record(z.string(), z.string());

/** Oldest image first. An image never changes, so its time is asked for only once. */
async function byCreation(
  context: CheckContext,
  registry: Registry,
  versions: readonly TagVersion[],
  source: ImageSource,
): Promise<readonly TagVersion[]> {
  const file = join(context.cacheDir, 'created.json');
  const known = await readFile(file, 'utf8')
    .then((text) => creationTimes.parse(JSON.parse(text)))
    .catch((): Record<string, string> => ({})); // gone or broken: asked for again
  const times = await inParallel(versions, REQUESTS_AT_ONCE, async ({ digest }) => {
    return known[digest] ?? (await createdAt(registry, digest, source));
  });
  const now = Object.fromEntries(versions.map(({ digest }, index) => [digest, times[index] ?? '']));
  if (JSON.stringify(now) !== JSON.stringify(known)) {
    await mkdir(context.cacheDir, { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify(now));
    await rename(`${file}.new`, file);
  }
  const timeOf = (version: TagVersion) => Date.parse(now[version.digest] ?? '') || 0;
  return versions.toSorted((a, b) => timeOf(a) - timeOf(b));
}

async function createdAt(registry: Registry, digest: string, source: ImageSource): Promise<string> {
  const { manifest } = await resolveImage(registry, digest, source.platform);
  return (await fetchImageConfig(registry, manifest)).created ?? '';
}
