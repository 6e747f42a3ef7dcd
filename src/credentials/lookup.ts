import type { JsonObject, JsonValue, VarSourceConfig } from '../model/index.js';
import { interpolate, varsIn, type VarReference } from '../pipelines/index.js';
import { messageOf, UserError } from '../platform/index.js';
import type { KeptSources } from './kept-sources.js';
import type { ReadThrough } from './read-through.js';
import { SourceError, type LookupWatcher, type Secret, type SecretOwner } from './secret-source.js';

/** At once, so that a step with many vars is quick and no source is flooded. */
const MAX_AT_ONCE = 8;

/** What a lookup is for. */
export interface LookupRequest {
  readonly owner: SecretOwner;
  /** The var sources of the pipeline. */
  readonly sources: readonly VarSourceConfig[];
  readonly watcher?: LookupWatcher | undefined;
}

/** A var cannot be looked up now: its source does not answer or says no. Names both, and holds no value. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError';
}

/**
 * One lookup of some vars. Each is read once, however many of its fields are wanted: the parts of a secret that is made
 * when it is read belong together.
 */
export class Lookup {
  private readonly found = new Map<string, Promise<Secret | undefined>>();
  private readonly opened = new Map<string, Promise<ReadThrough>>();

  constructor(
    private readonly kept: Pick<KeptSources, 'open' | 'server'>,
    private readonly request: LookupRequest,
  ) {}

  /**
   * Values by {@link VarReference.text}; unknown vars are left out.
   * @throws UserError `missing-var-source`, `var-source-cycle`; CredentialError when a source cannot tell.
   */
  async fetch(references: readonly VarReference[]): Promise<Map<string, JsonValue>> {
    const known = new Map<string, JsonValue>();
    for (let from = 0; from < references.length; from += MAX_AT_ONCE) {
      const some = references.slice(from, from + MAX_AT_ONCE);
      const secrets = await Promise.all(some.map((reference) => this.secretOf(reference)));
      some.forEach(({ text }, index) => {
        const secret = secrets[index];
        if (secret !== undefined) known.set(text, secret.value);
      });
    }
    return known;
  }

  private secretOf({ source, path }: VarReference): Promise<Secret | undefined> {
    // A pipeline without var sources asks the server's own for every name, as Concourse does.
    const name = this.request.sources.length === 0 ? undefined : source;
    const key = JSON.stringify([name, path]);
    const reading = this.found.get(key) ?? this.read(name, path);
    this.found.set(key, reading);
    return reading;
  }

  private async read(name: string | undefined, path: string): Promise<Secret | undefined> {
    const reader = name === undefined ? this.kept.server?.reader : await this.open(name);
    try {
      return await reader?.find(path, this.request.owner, this.request.watcher);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const of = name === undefined ? '' : ` of var source '${name}'`;
      throw new CredentialError(`var '${path}'${of}: ${reader?.source.title}: ${error.message}`, { cause: error });
    }
  }

  private open(name: string): Promise<ReadThrough> {
    const opening = this.opened.get(name) ?? this.openNow(name);
    this.opened.set(name, opening);
    return opening;
  }

  private async openNow(name: string): Promise<ReadThrough> {
    const found = this.request.sources.find((source) => source.name === name);
    if (!found) throw new UserError('missing-var-source', `missing source '${name}' in var`);
    // Pipelines with such sources are refused; if one were here, each would wait for the other.
    if (isCircle(name, this.request.sources))
      throw new UserError('var-source-cycle', `var source '${name}' needs itself`);
    const { type, config = {} } = found;
    const known = await this.fetch(varsIn(config));
    try {
      const filled: JsonObject = interpolate(config, ({ text }) => known.get(text), { mode: 'run' }).value;
      return this.kept.open(type, filled);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new CredentialError(`var source '${name}': ${messageOf(error)}`, { cause: error });
    }
  }
}

function isCircle(name: string, sources: readonly VarSourceConfig[]): boolean {
  const reached = new Set<string>();
  const follow = (from: string): void => {
    const config = sources.find((source) => source.name === from)?.config ?? {};
    for (const { source } of varsIn(config)) {
      if (source === undefined || reached.has(source)) continue;
      reached.add(source);
      follow(source);
    }
  };
  follow(name);
  return reached.has(name);
}
