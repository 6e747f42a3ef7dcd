import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { JsonObject, TypeChain, Version } from '../model/index.js';
import { Db, forgetImageChecks } from '../persistence/index.js';
import { CLOCK, LOGGER, messageOf, Settings, UserError, type Clock, type Logger } from '../platform/index.js';
import { ResourceTypeRegistry, type CheckContext, type ResourceType, type StepContext } from '../resources/index.js';
import {
  ARTIFACTS,
  MachineImages,
  RUNTIME,
  type ArtifactRef,
  type ArtifactStore,
  type Capabilities,
  type Runtime,
} from '../runtime/index.js';
import { CustomType, type TypeWorld } from './custom-type.js';
import { KeptChecks } from './kept-checks.js';
import type { Script } from './protocol.js';
import { runScript, SCRIPT_LABEL, type TypeImage } from './run-script.js';
import { IMAGE_PREFIX, TypeImages, type ImageOrigin } from './type-images.js';

/** An image that nothing has used for this long is removed; it is fetched again when it is wanted. */
const KEEP_IMAGES_MS = 24 * 3_600_000;
/** Versions of images that nothing has asked for in this time are forgotten. */
const KEEP_VERSIONS_MS = 30 * 24 * 3_600_000;

/**
 * The pipeline's own resource types: finds, fetches and keeps their images, and runs their scripts on the runtime. See
 * docs/adr/0010-custom-resource-types.md.
 */
@Injectable()
export class CustomTypes implements TypeWorld, OnApplicationBootstrap {
  private readonly kept: KeptChecks;
  private readonly images: TypeImages;
  private readonly machine: MachineImages;

  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(RUNTIME) private readonly runtime: Runtime,
    @Inject(ARTIFACTS) private readonly artifacts: ArtifactStore,
    @Inject(ResourceTypeRegistry) private readonly types: Pick<ResourceTypeRegistry, 'get'>,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(CLOCK) clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.kept = new KeptChecks(db, runtime, settings);
    this.images = new TypeImages(db, artifacts, settings, clock, log);
    this.machine = new MachineImages(settings.dataDir);
  }

  /** Containers and artifacts of scripts that an earlier life of this server has left. */
  async onApplicationBootstrap(): Promise<void> {
    const { instanceId, epoch } = this.settings;
    try {
      for (const { handle, labels } of await this.runtime.list({ instance: instanceId, ...SCRIPT_LABEL })) {
        if (labels['epoch'] === String(epoch)) continue;
        await this.runtime.signal(handle, 'KILL');
        await this.runtime.remove(handle);
      }
      for (const { ref } of await this.artifacts.list())
        if (ref.id.startsWith('script-')) await this.artifacts.remove(ref);
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'removing what checks in containers left failed');
    }
  }

  /**
   * The type that a chain makes.
   * @param chain vars filled; the used type first, not empty
   * @param isAskedFor look for newer images, however lately that was done
   */
  typeOf(chain: TypeChain, isAskedFor = false): CustomType {
    return new CustomType(chain, this, isAskedFor);
  }

  /** The type that a resource names: one of the server, unless a chain of the pipeline's own leads there. */
  private resolve(name: string, chain: TypeChain, isAskedFor: boolean): ResourceType {
    return chain.length > 0 ? this.typeOf(chain, isAskedFor) : this.types.get(name);
  }

  /**
   * On a runtime without images: the server's own type that the image of this one is made of, if it is nothing else. Undefined:
   * the type runs in containers, or not at all.
   */
  async standIn(type: CustomType): Promise<ResourceType | undefined> {
    if ((await this.runtime.capabilities()).images) return undefined;
    const origin = this.originOf(type);
    const own = origin.type instanceof CustomType ? await this.standIn(origin.type) : origin.type;
    const source = own?.schema.source.safeParse(origin.source);
    const params = own?.schema.getParams.safeParse(origin.params);
    return source?.success && params?.success && own?.isOwnImage?.(source.data, params.data) ? own : undefined;
  }

  async standInEnv(
    type: CustomType,
    own: ResourceType,
    context: CheckContext,
  ): Promise<Readonly<Record<string, string>>> {
    if (!own.ownImageEnv) return {};
    return own.ownImageEnv(await this.newestVersion(type, context));
  }

  /** What makes images of this machine, for the contexts of types; nothing where no image can be run. */
  async ownImage(): Promise<Pick<CheckContext, 'writeOwnImage'>> {
    if (!MachineImages.arePossible || !(await this.runtime.capabilities()).images) return {};
    return { writeOwnImage: (dir, type, env) => this.machine.write(dir, type, env) };
  }

  async image(type: CustomType, context: CheckContext): Promise<TypeImage> {
    const capabilities = await this.runtime.capabilities();
    if (!capabilities.images) throw needsImages(type.givenName, capabilities);
    const version = await this.newestVersion(type, context);
    const artifact = await this.images.fetch(this.originOf(type), version, {
      ...forImage(context, type),
      ...(await this.ownImage()),
      env: context.env ?? {},
    });
    return { artifact, isPrivileged: type.chain[0]?.privileged ?? false };
  }

  private newestVersion(type: CustomType, context: CheckContext): Promise<Version> {
    const limits = { checkEvery: type.chain[0]?.check_every, isAskedFor: type.isAskedFor };
    return this.images.newestVersion(this.originOf(type), limits, forImage(context, type));
  }

  /** Records what a check of an image has found that was made for its own sake. */
  noteImageVersions(type: ResourceType, source: JsonObject, versions: readonly Version[]): Promise<void> {
    return this.images.note(type, source, versions);
  }

  /** As an image of a task: the files of a version, kept for whoever needs the same. */
  fetchImage(origin: ImageOrigin, version: Version, context: StepContext): Promise<ArtifactRef> {
    return this.images.fetch(origin, version, context);
  }

  run(
    script: Script,
    image: TypeImage,
    context: CheckContext,
    keep?: (handle: string) => Promise<void>,
  ): Promise<Uint8Array> {
    return runScript(this.runtime, this.settings, script, image, { ...context, env: context.env ?? {} }, keep);
  }

  async runCheck(script: Script, image: TypeImage, context: CheckContext, configuration: string): Promise<Uint8Array> {
    const { resourceId, env = {} } = context;
    const answer =
      resourceId === undefined
        ? undefined
        : await this.kept.run(script, image, resourceId, configuration, { ...context, env });
    return answer ?? this.run(script, image, context);
  }

  async takeOutput(handle: string, output: string, dir: string): Promise<void> {
    const ref = await this.runtime.sealOutput(handle, output);
    await this.artifacts.copyTo(ref, dir);
    await this.artifacts.remove(ref);
  }

  /**
   * Removes idle containers of checks, and images that were not used for a day, and forgets what is known of those that nobody asks for.
   * @param inUse ids of artifacts that steps have as their images now.
   */
  async removeUnused(inUse: ReadonlySet<string>, now: Date): Promise<void> {
    await this.kept.sweep();
    const oldest = now.getTime() - KEEP_IMAGES_MS;
    for (const { ref, createdAt } of await this.artifacts.list()) {
      if (!ref.id.startsWith(IMAGE_PREFIX) || createdAt.getTime() > oldest || inUse.has(ref.id)) continue;
      await this.artifacts.remove(ref);
    }
    await forgetImageChecks(this.db, KEEP_VERSIONS_MS);
  }

  /** Where the image of a type comes from: its own type may be another custom one, or one of the server. */
  private originOf({ chain, givenName, isAskedFor }: CustomType): ImageOrigin {
    const [own, ...rest] = chain;
    return {
      type: this.resolve(own?.type ?? '', rest, isAskedFor),
      source: { ...rest[0]?.defaults, ...own?.source },
      params: own?.params ?? {},
      who: `the image of resource type "${givenName}"`,
    };
  }
}

/**
 * The resource is none of its type's image: the container that is kept for it is for its own checks. The type's tags, if it
 * has any, replace those of the resource or step.
 */
function forImage({ resourceId: _, ...context }: CheckContext, { chain }: CustomType): CheckContext {
  const tags = chain[0]?.tags;
  return tags === undefined ? context : { ...context, tags };
}

/** For a type that is to run where there are no images. */
export function needsImages(name: string, runtime: Capabilities): UserError {
  return new UserError(
    'resource-type-needs-images',
    `resource type "${name}" is an image, and this server's runtime runs no images (${runtime.description}) ` +
      'Start the server with --runtime docker, or install bubblewrap.',
  );
}
