import { Inject, Injectable } from '@nestjs/common';
import type { JsonValue, PipelineConfig, PipelineId } from '../model/index.js';
import { textsIn } from '../events/index.js';
import { Db, findVarSources } from '../persistence/index.js';
import { interpolate, varsIn, type VarReference } from '../pipelines/index.js';
import { KeptSources } from './kept-sources.js';
import { Lookup } from './lookup.js';
import type { LookupWatcher, SecretOwner } from './secret-source.js';

/** For whom vars are looked up. A build without a pipeline knows its team's vars only. */
export interface CredentialScope extends Omit<SecretOwner, 'instanceVars'> {
  readonly pipelineId?: PipelineId | undefined;
}

/** A value with its vars filled in, and every text that came from them. */
export interface Filled<Value> {
  readonly value: Value;
  readonly secrets: readonly string[];
}

/**
 * Values of vars that are not local to a build: `((source:path))` from the `var_sources` of the pipeline's present config,
 * `((path))` from the server's own source of values, which the settings name.
 */
@Injectable()
export class CredentialsService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(KeptSources) private readonly kept: Pick<KeptSources, 'open' | 'server'>,
  ) {}

  /**
   * Values by {@link VarReference.text}; unknown vars are left out. All values count as secrets.
   * @throws UserError `missing-var-source` for a source that the pipeline does not have; CredentialError for a var whose
   * source cannot tell.
   */
  async fetch(
    scope: CredentialScope,
    references: readonly VarReference[],
    watcher?: LookupWatcher,
  ): Promise<ReadonlyMap<string, JsonValue>> {
    const asked = references.filter(({ source }) => source !== '.'); // local vars are the build's own affair
    if (asked.length === 0) return new Map();
    const { sources, ...more } =
      scope.pipelineId === undefined ? { sources: [] } : await findVarSources(this.db, scope.pipelineId);
    return new Lookup(this.kept, { owner: { ...ownerOf(scope), ...more }, sources, watcher }).fetch(asked);
  }

  /**
   * Fills every var of the value.
   * @throws InterpolationError naming those that are undefined; and as {@link fetch}.
   */
  async fill<Value>(value: Value, scope: CredentialScope): Promise<Filled<Value>> {
    const references = varsIn(value);
    if (references.length === 0) return { value, secrets: [] };
    const known = await this.fetch(scope, references);
    const filled = interpolate(value, ({ text }) => known.get(text), { mode: 'run' }).value;
    return { value: filled, secrets: [...known.values()].flatMap(textsIn) };
  }

  /**
   * The vars of a config, which need not be stored yet, that have no value now; each once, as written between the brackets.
   * @throws as {@link fetch}.
   */
  async missing(config: PipelineConfig, scope: CredentialScope): Promise<string[]> {
    const asked = varsIn(config).filter(({ source }) => source !== '.');
    const known = await new Lookup(this.kept, { owner: scope, sources: config.var_sources ?? [] }).fetch(asked);
    return [...new Set(asked.map(({ text }) => text).filter((text) => !known.has(text)))];
  }

  /** How the server's own source of values does, by its kind. Empty without one. */
  async health(): Promise<Record<string, unknown>> {
    const { server } = this.kept;
    if (server === undefined) return {};
    const { settings } = server.reader.source;
    return { [server.kind]: { ...settings, health: await server.reader.source.health() } };
  }
}

/** Of a build or resource, which have many other fields. */
function ownerOf({ teamName, pipelineName, jobName }: CredentialScope): SecretOwner {
  return { teamName, pipelineName, jobName };
}
