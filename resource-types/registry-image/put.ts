import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext } from '../../src/resources/contract.js';
import { inParallel } from './in-parallel.js';
import { findOneInput, readInput } from './inputs.js';
import { readLocalImage, type LocalImage } from './local-image.js';
import { isTag } from './reference.js';
import type { Registry } from './registry.js';
import type { ImagePutParams, ImageSource } from './schema.js';
import { aliasesOf, parseVersionTag, type TagFilter } from './semver-tags.js';
import { pushing } from './sessions.js';

interface PutRequest {
  readonly source: ImageSource;
  readonly params: ImagePutParams;
  readonly dir: string;
}

const UPLOADS_AT_ONCE = 3;
const SCRATCH = 'put-';
const DAY_MS = 24 * 60 * 60 * 1000;

/** Pushes the image under all its tags. Repeating it pushes the same image again, which changes nothing. */
export async function putImage(context: StepContext, { source, params, dir }: PutRequest): Promise<FetchResult> {
  const path = await findOneInput(dir, params.image);
  const scratch = await makeScratch(context);
  try {
    const image = await readLocalImage(path, scratch, context.signal);
    return await pushing(context, source, params, async (registry) => {
      const tags = await tagsFor(registry, source, params, dir);
      const digest = await push(context, registry, image, tags);
      const metadata = [
        { name: 'repository', value: source.repository },
        { name: 'tags', value: tags.join(' ') },
        { name: 'digest', value: digest },
      ];
      return { version: { tag: tags[0], digest }, metadata };
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A folder for this put alone, beside which those are removed that a server that died left behind. */
async function makeScratch(context: StepContext): Promise<string> {
  const { cacheDir } = context;
  await mkdir(cacheDir, { recursive: true });
  for (const name of await readdir(cacheDir)) {
    const age =
      context.now().getTime() - ((await stat(join(cacheDir, name)).catch(() => undefined))?.mtimeMs ?? Infinity);
    if (name.startsWith(SCRATCH) && age > DAY_MS) await rm(join(cacheDir, name), { recursive: true, force: true });
  }
  return mkdtemp(join(cacheDir, SCRATCH));
}

/** All tags to push, each once; the first is the version's. @throws ResourceFailure when there is none, or one is not valid. */
async function tagsFor(
  registry: Registry,
  source: ImageSource,
  params: ImagePutParams,
  dir: string,
): Promise<readonly [string, ...string[]]> {
  const tags = new Set<string>();
  if (source.tag !== undefined) tags.add(source.tag);
  if (params.version !== undefined) {
    const versionTag = source.variant === undefined ? params.version : `${params.version}-${source.variant}`;
    tags.add(versionTag);
    if (params.bump_aliases === true) {
      const filter: TagFilter = { variant: source.variant, preReleasePrefixes: source.pre_release_prefixes };
      const released = parseVersionTag(versionTag, filter);
      if (released === undefined)
        throw new ResourceFailure(`version '${params.version}' is not a version, so it has no aliases`);
      for (const alias of aliasesOf(released, await registry.tags(), filter)) tags.add(alias);
    }
  }
  if (params.additional_tags !== undefined) {
    const names = (await readInput(dir, params.additional_tags)).split(/\s+/).filter((name) => name !== '');
    for (const name of names) tags.add(`${params.tag_prefix ?? ''}${name}`);
  }
  for (const tag of tags) if (!isTag(tag)) throw new ResourceFailure(`'${tag}' is not a valid tag`);
  const [first, ...others] = tags;
  if (first === undefined) throw new ResourceFailure('no tag to push: set source.tag, version or additional_tags');
  return [first, ...others];
}

/** Blobs first, then manifests by digest, the tags last: whoever sees a tag sees all of it. @returns the digest. */
async function push(
  context: StepContext,
  registry: Registry,
  image: LocalImage,
  tags: readonly string[],
): Promise<string> {
  await inParallel(image.blobs, UPLOADS_AT_ONCE, async ({ digest, mediaType, body }) => {
    if (body === undefined) {
      // Layers that may not be distributed come from elsewhere; others may be in the registry already.
      if (/nondistributable|foreign/.test(mediaType) || (await registry.hasBlob(digest))) return;
      throw new ResourceFailure(`the image lacks ${digest}, and so does ${registry.title}`);
    }
    context.log(`${digest}: ${await registry.pushBlob(digest, body)}\n`);
  });
  const root = image.manifests.at(-1);
  if (root === undefined) throw new Error('an image without a manifest was read');
  for (const { digest, mediaType, bytes } of image.manifests) await registry.pushManifest(digest, mediaType, bytes);
  for (const tag of tags) {
    await registry.pushManifest(tag, root.mediaType, root.bytes);
    context.log(`pushed ${registry.title}:${tag} as ${root.digest}\n`);
  }
  return root.digest;
}
