import { createHash } from 'node:crypto';
import { rmdir } from 'node:fs/promises';
import { z } from 'zod';
import { canonicalJson, type JsonObject, type TypeChain, type Version } from '../model/index.js';
import {
  configDigest,
  parseInput,
  type CheckContext,
  type FetchResult,
  type ResourceType,
  type StepContext,
} from '../resources/index.js';
import { checkScript, getScript, GET_OUTPUT, readFetchResult, readVersions, type Script } from './protocol.js';
import type { TypeImage } from './run-script.js';

/** What a custom type needs from the room. */
export interface TypeWorld {
  image(type: CustomType, context: CheckContext): Promise<TypeImage>;
  standIn(type: CustomType): Promise<ResourceType | undefined>;
  /** The variables that scripts would get of the image that `own` stands in for. */
  standInEnv(type: CustomType, own: ResourceType, context: CheckContext): Promise<Readonly<Record<string, string>>>;
  run(
    script: Script,
    image: TypeImage,
    context: CheckContext,
    keep?: (handle: string) => Promise<void>,
  ): Promise<Uint8Array>;
  /** As {@link run}, for a check: where the context names a resource, in a container that is kept for its next one. */
  runCheck(script: Script, image: TypeImage, context: CheckContext, configuration: string): Promise<Uint8Array>;
  /** Makes an output of a container that has ended the content of the folder. */
  takeOutput(handle: string, output: string, dir: string): Promise<void>;
}

/** The type knows what its source and params mean, we do not. */
const anything = z.custom<JsonObject>((value) => value !== null && typeof value === 'object');

/**
 * A type of the pipeline's own `resource_types`: an image with the scripts of Concourse's protocol. As a
 * {@link ResourceType} it runs each script in a container of its own; gets and puts of builds, which must outlive the
 * server, take {@link image} and run the script themselves.
 */
export class CustomType implements ResourceType<JsonObject, JsonObject, JsonObject> {
  /** The same for types made of the same parts, so that their resources can share checks. */
  readonly name: string;
  readonly schema = { source: anything, getParams: anything, putParams: anything };

  /** @param chain this type, the type it is made of, and so on; vars filled. */
  constructor(
    readonly chain: TypeChain,
    private readonly world: TypeWorld,
    /** An image that was found before somebody has asked will not do. */
    readonly isAskedFor: boolean,
  ) {
    // How often and where an image is looked for does not change what it is.
    const parts = chain.map(({ type, source, params, defaults, privileged }) => ({
      type,
      source: source ?? {},
      params: params ?? {},
      defaults: defaults ?? {},
      privileged: privileged ?? false,
    }));
    this.name = `custom-${createHash('sha256').update(canonicalJson(parts)).digest('hex').slice(0, 32)}`;
  }

  /** The name in the pipeline. */
  get givenName(): string {
    return this.chain[0]?.name ?? '';
  }

  /**
   * The newest image of the type: checked when it is due, fetched when it is new.
   * @throws UserError `resource-type-needs-images` on a runtime without images; Error when the image cannot be had.
   */
  image(context: CheckContext): Promise<TypeImage> {
    return this.world.image(this, context);
  }

  async check(
    context: CheckContext,
    { source, version }: { readonly source: JsonObject; readonly version?: Version },
  ): Promise<readonly Version[]> {
    const own = await this.world.standIn(this);
    if (own) {
      const env = { ...context.env, ...(await this.world.standInEnv(this, own, context)) };
      return own.check({ ...context, env }, { source: this.sourceOf(own, source), ...(version ? { version } : {}) });
    }
    const image = await this.image(context);
    const configuration = configDigest(this.name, source);
    return readVersions(await this.world.runCheck(checkScript(source, version), image, context, configuration));
  }

  async get(
    context: StepContext,
    request: {
      readonly source: JsonObject;
      readonly params: JsonObject;
      readonly version: Version;
      readonly dir: string;
    },
  ): Promise<FetchResult> {
    const own = await this.world.standIn(this);
    if (own) {
      const params = parseInput(own.schema.getParams, request.params, `params of a get of type "${this.givenName}"`);
      return own.get(context, { ...request, source: this.sourceOf(own, request.source), params });
    }
    const image = await this.image(context);
    const script = getScript(request.source, request.params, request.version);
    const answer = await this.world.run(script, image, context, async (handle) => {
      await rmdir(request.dir); // it is empty; the output takes its place
      await this.world.takeOutput(handle, GET_OUTPUT, request.dir);
    });
    return readFetchResult(answer, '/opt/resource/in');
  }

  /** @throws for a type that runs in containers: its inputs are artifacts, so a build runs the script itself. */
  async put(
    context: StepContext,
    request: { readonly source: JsonObject; readonly params: JsonObject; readonly dir: string },
  ): Promise<FetchResult> {
    const own = await this.world.standIn(this);
    if (!own) throw new Error(`a put of type "${this.givenName}" runs in a container`);
    const params = parseInput(own.schema.putParams, request.params, `params of a put of type "${this.givenName}"`);
    return own.put(context, { ...request, source: this.sourceOf(own, request.source), params });
  }

  private sourceOf(own: ResourceType, source: JsonObject): unknown {
    return parseInput(own.schema.source, source, `source of type "${this.givenName}"`);
  }
}
