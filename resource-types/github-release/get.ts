import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import picomatch from 'picomatch';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import type { HttpAnswer } from '../registry-image/shared.js';
import { GithubApi, type Asset, type Release } from './api.js';
import type { GithubGetParams, GithubSource } from './schema.js';
import { textOfTag, versionOf } from './select.js';

/** Downloads the assets and writes what the release says about itself. */
export async function getGithub(
  context: StepContext,
  request: {
    readonly source: GithubSource;
    readonly params: GithubGetParams;
    readonly version: Version;
    readonly dir: string;
  },
): Promise<FetchResult> {
  const { source, params, version, dir } = request;
  return GithubApi.use(context, source, async (api) => {
    const release = await findRelease(api, version);
    const assetDir = source.asset_dir === true ? join(dir, 'assets') : dir;
    await mkdir(assetDir, { recursive: true });
    for (const asset of await api.assets(release.id)) {
      if (params.globs !== undefined && !picomatch.isMatch(asset.name, params.globs)) continue;
      if (!/^(?!\.{1,2}$)[^/\\\p{Cc}]+$/u.test(asset.name))
        throw new ResourceFailure(`an asset has the unusable name ${JSON.stringify(asset.name)}`);
      context.log(`downloading ${asset.name} (${asset.size} bytes)\n`);
      await save(context, await api.download(asset.id), join(assetDir, asset.name), asset);
    }
    if (params.include_source_tarball === true)
      await save(context, await api.sourceArchive('tarball', release.tag_name), join(dir, 'source.tar.gz'));
    if (params.include_source_zip === true)
      await save(context, await api.sourceArchive('zipball', release.tag_name), join(dir, 'source.zip'));
    const sha = await api.commitOf(release.tag_name);
    await writeFacts(dir, release, source, sha);
    return { version, metadata: metadataOf(release, sha) };
  });
}

/** What a version shows about its release. */
export function metadataOf(release: Release, sha: string | undefined): FetchResult['metadata'] {
  const fields: [string, string | null | undefined][] = [
    ['url', release.html_url],
    ['name', release.name],
    ['tag', release.tag_name],
    ['commit_sha', sha],
    ['body', release.body],
    ['draft', release.draft ? 'true' : undefined],
    ['pre-release', release.prerelease ? 'true' : undefined],
  ];
  return fields.flatMap(([name, value]) => (value ? [{ name, value }] : []));
}

async function findRelease(api: GithubApi, version: Version): Promise<Release> {
  if (version['id'] !== undefined) return api.releaseById(version['id']);
  // Pinned by hand: `version: { tag: v1.2.3 }`.
  const found = (await api.releases()).find((release) => release.tag_name === version['tag']);
  if (found === undefined)
    throw new ResourceFailure(`there is no release of the tag ${JSON.stringify(version['tag'])}`);
  return found;
}

async function writeFacts(dir: string, release: Release, source: GithubSource, sha: string | undefined): Promise<void> {
  const files: Record<string, string> = {
    tag: release.tag_name,
    version: textOfTag(release.tag_name, source),
    body: release.body ?? '',
    timestamp: versionOf(release)['timestamp'] ?? '',
    url: release.html_url,
    ...(sha === undefined ? {} : { commit_sha: sha }),
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(dir, name), text)));
}

/** Writes an answer into a file, piece by piece, and compares it with what GitHub knows of the asset. */
async function save(context: StepContext, answer: HttpAnswer, file: string, asset?: Asset): Promise<void> {
  const hash = createHash('sha256');
  let size = 0;
  const seen = async function* () {
    for await (const piece of answer.body as AsyncIterable<Buffer>) {
      hash.update(piece);
      size += piece.length;
      yield piece;
    }
  };
  await pipeline(seen(), createWriteStream(file), { signal: context.signal });
  if (asset === undefined) return;
  if (size !== asset.size) throw new ResourceFailure(`${asset.name} came with ${size} bytes instead of ${asset.size}`);
  const digest = `sha256:${hash.digest('hex')}`;
  if (asset.digest?.startsWith('sha256:') === true && asset.digest !== digest)
    throw new ResourceFailure(`${asset.name} came with the digest ${digest} instead of ${asset.digest}`);
}
