import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext } from '../../src/resources/contract.js';
import { findInputFiles, type InputFile } from '../http/shared.js';
import { findInput } from '../registry-image/shared.js';
import { GithubApi, type Asset, type Release, type ReleaseFields } from './api.js';
import { metadataOf } from './get.js';
import type { GithubPutParams, GithubSource } from './schema.js';
import { versionOf } from './select.js';

const UPLOAD_ATTEMPTS = 3;

/**
 * Makes the release of the tag, or brings the one that is there up to date. A new release stays a draft until its assets
 * are there, so that nobody sees half of it. Repeated, it finds what it has made and goes on from there.
 */
export async function putGithub(
  context: StepContext,
  request: { readonly source: GithubSource; readonly params: GithubPutParams; readonly dir: string },
): Promise<FetchResult> {
  const { source, params, dir } = request;
  if (source.access_token === undefined) throw new ResourceFailure('put needs source.access_token');
  const fields = await readFields(source, params, dir);
  const files = await readAssets(params, dir);
  return GithubApi.use(context, source, async (api) => {
    const there = await releaseOfTag(api, fields.tag_name);
    const draft = source.drafts === true;
    let release: Release;
    if (there === undefined) {
      const notes = params.generate_release_notes === true ? { generate_release_notes: true } : {};
      release = await api.createRelease({ ...fields, ...notes, draft: true });
      context.log(`made a draft of release ${fields.tag_name}\n`);
    } else {
      context.log(`there is a release of ${fields.tag_name} already; updating it\n`);
      // A draft with generated notes is one of ours that was interrupted: its text stays.
      const { body, ...others } = fields;
      const keepsBody = params.generate_release_notes === true || body === undefined;
      const isPublished = !there.draft;
      release = await api.updateRelease(there.id, {
        ...others,
        ...(keepsBody ? {} : { body }),
        ...(isPublished && draft ? { draft } : {}),
      });
    }
    if (params.globs !== undefined) await bringAssets(context, api, release, files);
    if (release.draft && !draft) release = await api.updateRelease(release.id, { draft: false });
    context.log(`${release.html_url}\n`);
    return { version: versionOf(release), metadata: metadataOf(release, await api.commitOf(release.tag_name)) };
  });
}

async function readFields(
  source: GithubSource,
  params: GithubPutParams,
  dir: string,
): Promise<ReleaseFields & { readonly tag_name: string }> {
  const read = async (path: string) => readFile(await findInput(dir, path), 'utf8');
  const tag = `${params.tag_prefix ?? ''}${(await read(params.tag)).trim()}`;
  if (!/^[^\p{Cc} ~^:?*[\\]+$/u.test(tag))
    throw new ResourceFailure(`tag: ${JSON.stringify(tag)} is not a name of a tag`);
  return {
    tag_name: tag,
    name: (await read(params.name)).trim(),
    prerelease: source.pre_release === true && source.release === false,
    ...(params.body === undefined ? {} : { body: await read(params.body) }),
    ...(params.commitish === undefined ? {} : { target_commitish: (await read(params.commitish)).trim() }),
  };
}

async function readAssets({ globs = [] }: GithubPutParams, dir: string): Promise<ReadonlyMap<string, InputFile>> {
  const files = (await Promise.all(globs.map((glob) => findInputFiles(dir, glob)))).flat();
  const byName = new Map<string, InputFile>();
  for (const file of files) {
    const name = basename(file.path);
    const other = byName.get(name);
    if (other !== undefined && other.path !== file.path)
      throw new ResourceFailure(`globs: ${other.path} and ${file.path} would be the same asset '${name}'`);
    byName.set(name, file);
  }
  return byName;
}

/** Published or draft; drafts are found only in the list. The published one counts when there are both. */
async function releaseOfTag(api: GithubApi, tag: string): Promise<Release | undefined> {
  const found = (await api.releases()).filter((release) => release.tag_name === tag);
  return found.find((release) => !release.draft) ?? found[0];
}

/** Uploads what is missing or different, and removes what does not belong to the release any more. */
async function bringAssets(
  context: StepContext,
  api: GithubApi,
  release: Release,
  files: ReadonlyMap<string, InputFile>,
): Promise<void> {
  const there = await api.assets(release.id);
  for (const asset of there) {
    if (!files.has(asset.name)) {
      context.log(`removing the asset ${asset.name}\n`);
      await api.deleteAsset(asset.id);
    }
  }
  for (const [name, file] of files) {
    const asset = there.find((one) => one.name === name);
    if (asset !== undefined && (await isSame(asset, file))) continue;
    context.log(`uploading ${file.path} (${file.sizeBytes} bytes)\n`);
    await upload(context, api, release, name, file);
  }
}

async function upload(
  context: StepContext,
  api: GithubApi,
  release: Release,
  name: string,
  file: InputFile,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    // An upload that broke off leaves an asset of that name.
    const old = (await api.assets(release.id)).find((asset) => asset.name === name);
    if (old !== undefined) await api.deleteAsset(old.id);
    try {
      await api.upload(release.id, name, { sizeBytes: file.sizeBytes, open: () => createReadStream(file.realPath) });
      return;
    } catch (error) {
      context.signal.throwIfAborted();
      if (attempt === UPLOAD_ATTEMPTS) throw error;
      context.log(`uploading ${name} failed (${(error as Error).message}); attempt ${attempt + 1}\n`);
    }
  }
}

/** Without a digest from GitHub nobody can tell, so the asset counts as another one. */
async function isSame(asset: Asset, file: InputFile): Promise<boolean> {
  if (asset.state !== undefined && asset.state !== 'uploaded') return false;
  if (asset.size !== file.sizeBytes || !asset.digest?.startsWith('sha256:')) return false;
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file.realPath) as AsyncIterable<Buffer>) hash.update(piece);
  return asset.digest === `sha256:${hash.digest('hex')}`;
}
