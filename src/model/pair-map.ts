import type { Pair } from './history-query.js';
import type { ResourceId } from './ids.js';
import type { Digest } from './version.js';

/** Values by version. Resources may hold equal versions, so a digest alone names none. */
export class PairMap<Value> {
  private readonly byResource = new Map<ResourceId, Map<Digest, Value>>();

  get({ resourceId, digest }: Pair): Value | undefined {
    return this.byResource.get(resourceId)?.get(digest);
  }

  set({ resourceId, digest }: Pair, value: Value): void {
    let values = this.byResource.get(resourceId);
    if (values === undefined) this.byResource.set(resourceId, (values = new Map<Digest, Value>()));
    values.set(digest, value);
  }

  /** The versions of a resource that have a value. */
  digestsOf(resourceId: ResourceId): Iterable<Digest> {
    return this.byResource.get(resourceId)?.keys() ?? [];
  }
}
