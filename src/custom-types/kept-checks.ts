import { createHash, randomUUID } from 'node:crypto';
import { canonicalJson, type ResourceId } from '../model/index.js';
import {
  claimCheckContainer,
  forgetCheckContainer,
  forgetIdleCheckContainers,
  knownCheckContainers,
  releaseCheckContainer,
  type Db,
  type ServerLife,
} from '../persistence/index.js';
import type { Settings } from '../platform/index.js';
import type { Runtime } from '../runtime/index.js';
import type { Script } from './protocol.js';
import { demandSuccess, scriptSpec, Words, type ScriptContext, type TypeImage } from './run-script.js';

/** Label of containers that are kept for the next check. */
const KEPT_LABEL = { kind: 'check' } as const;
/** A container in which nothing was checked for this long is removed. */
const KEEP_MS = 3_600_000;
/** How many a server keeps: they are not running, so it is their disk that counts. */
const MAX_KEPT = 250;

/**
 * Checks in containers that are kept: the next check of the resource finds the files which the last one left, such as a clone.
 * One container belongs to one resource with one source, image and environment; rows say which (`check_containers`), so that
 * it is found again after a crash, and one without a row is removed.
 */
export class KeptChecks {
  constructor(
    private readonly db: Db,
    private readonly runtime: Runtime,
    private readonly settings: Settings,
  ) {}

  /**
   * Runs the check. A container whose check did not succeed is not kept: what it left may be what is wrong.
   * @param configuration names type and source
   * @returns undefined when nothing is kept here or another check is in the container: then nothing was run.
   * @throws ResourceFailure as {@link runScript} does
   */
  async run(
    script: Script,
    image: TypeImage,
    resourceId: ResourceId,
    configuration: string,
    context: ScriptContext,
  ): Promise<Uint8Array | undefined> {
    if (!this.runtime.runAgain) return undefined;
    const life = this.life;
    const { stdin, ...same } = scriptSpec(script, context.env, image);
    const { tags = [] } = context;
    const digest = createHash('sha256')
      .update(canonicalJson({ ...same, tags, configuration }))
      .digest('hex');
    const claimed = await this.db.tx((tx) =>
      claimCheckContainer(tx, resourceId, life, digest, `check-${randomUUID()}`),
    );
    if (!claimed) return undefined;
    const { handle, replaced } = claimed;
    const words = new Words(context.log);
    let isGood = false;
    try {
      if (replaced !== undefined) await this.runtime.remove(replaced);
      const labels = { instance: life.instance, ...KEPT_LABEL, image: image.artifact.id };
      const spec = { ...same, ...(stdin ? { stdin } : {}), handle, labels, ...(tags.length > 0 ? { tags } : {}) };
      const end = await this.runtime.runAgain(spec, context.signal, (data) => words.add(data));
      if (!end) return undefined;
      demandSuccess(script, end.state, words);
      isGood = true;
      return end.result;
    } finally {
      if (isGood) await this.db.tx((tx) => releaseCheckContainer(tx, handle));
      else await this.drop(handle);
    }
  }

  /** Removes containers that were idle for an hour or are too many, and those that are nobody's any more. */
  async sweep(): Promise<void> {
    const life = this.life;
    // Listed first: one that is made meanwhile has its row before it is there.
    const listed = await this.runtime.list({ instance: life.instance, ...KEPT_LABEL });
    await this.db.tx((tx) => forgetIdleCheckContainers(tx, life, { keepMs: KEEP_MS, max: MAX_KEPT }));
    const known = await knownCheckContainers(
      this.db,
      listed.map(({ handle }) => handle),
    );
    for (const { handle } of listed) if (!known.has(handle)) await this.runtime.remove(handle);
  }

  private get life(): ServerLife {
    return { instance: this.settings.instanceId, epoch: this.settings.epoch };
  }

  private async drop(handle: string): Promise<void> {
    await this.db.tx((tx) => forgetCheckContainer(tx, handle));
    await this.runtime.remove(handle);
  }
}
