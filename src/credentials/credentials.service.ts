import { readdir } from 'node:fs/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { JsonObject, JsonValue, PipelineConfig, PipelineId, VarSourceConfig } from '../model/index.js';
import { textsIn } from '../events/index.js';
import { Db, findVarSources } from '../persistence/index.js';
import { interpolate, varsIn, type VarReference } from '../pipelines/index.js';
import { messageOf, Settings, UserError } from '../platform/index.js';
import { readVar } from './vars-folder.js';

/** For whom vars are looked up. A build without a pipeline knows its team's vars only. */
export interface CredentialScope {
  readonly teamName: string;
  readonly pipelineId?: PipelineId | undefined;
  readonly pipelineName?: string | undefined;
}

/** A value with its vars filled in, and every text that came from them. */
export interface Filled<Value> {
  readonly value: Value;
  readonly secrets: readonly string[];
}

/**
 * Values of vars that are not local to a build: `((source:path))` from the `var_sources` of the pipeline's present config,
 * `((path))` from the files of `--vars-dir`. Nothing is kept: a changed file counts from its next use on.
 */
@Injectable()
export class CredentialsService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(Settings) private readonly settings: Pick<Settings, 'varsDir'>,
  ) {}

  /**
   * Values by {@link VarReference.text}; unknown vars are left out. All values count as secrets.
   * @throws UserError `missing-var-source` for a source that the pipeline does not have.
   */
  async fetch(scope: CredentialScope, references: readonly VarReference[]): Promise<ReadonlyMap<string, JsonValue>> {
    const asked = references.filter(({ source }) => source !== '.'); // local vars are the build's own affair
    if (asked.length === 0) return new Map();
    const sources = scope.pipelineId === undefined ? [] : await findVarSources(this.db, scope.pipelineId);
    return new Lookup(this.settings.varsDir, scope, sources).fetch(asked);
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
   * @throws UserError as {@link fetch}.
   */
  async missing(config: PipelineConfig, scope: CredentialScope): Promise<string[]> {
    const asked = varsIn(config).filter(({ source }) => source !== '.');
    const known = await new Lookup(this.settings.varsDir, scope, config.var_sources ?? []).fetch(asked);
    return [...new Set(asked.map(({ text }) => text).filter((text) => !known.has(text)))];
  }

  /** How each of the server's own sources of values does, by its name. Without a folder of vars there is none. */
  async health(): Promise<Record<string, unknown>> {
    const { varsDir } = this.settings;
    if (varsDir === '') return {};
    const error = await readdir(varsDir).then(() => undefined, messageOf);
    return {
      folder: { path: varsDir, health: { method: 'read the folder', ...(error === undefined ? {} : { error }) } },
    };
  }
}

class Lookup {
  constructor(
    private readonly varsDir: string,
    private readonly scope: CredentialScope,
    private readonly sources: readonly VarSourceConfig[],
    /** Sources whose configs are being filled: they may use each other, but not in a circle. */
    private readonly busy: readonly string[] = [],
  ) {}

  async fetch(references: readonly VarReference[]): Promise<Map<string, JsonValue>> {
    const known = new Map<string, JsonValue>();
    for (const reference of references) {
      const value = await this.valueOf(reference);
      if (value !== undefined) known.set(reference.text, value);
    }
    return known;
  }

  private async valueOf({ source, path }: VarReference): Promise<JsonValue | undefined> {
    // A pipeline without var sources asks the server's own for every name, as Concourse does.
    if (source === undefined || this.sources.length === 0) return readVar(this.varsDir, this.scope, path);
    const config = this.sources.find(({ name }) => name === source);
    if (!config) throw new UserError('missing-var-source', `missing source '${source}' in var`);
    const vars = await this.dummyVars(config);
    return Object.hasOwn(vars, path) ? vars[path] : undefined;
  }

  private async dummyVars({ name, type, config = {} }: VarSourceConfig): Promise<JsonObject> {
    if (type !== 'dummy')
      throw new UserError('var-source-unsupported', `this server has no var sources of type '${type}'`);
    if (this.busy.includes(name)) throw new UserError('var-source-cycle', `var source '${name}' needs itself`);
    const inner = new Lookup(this.varsDir, this.scope, this.sources, [...this.busy, name]);
    const known = await inner.fetch(varsIn(config));
    const { vars } = interpolate(config, ({ text }) => known.get(text), { mode: 'run' }).value;
    return vars !== null && typeof vars === 'object' && !Array.isArray(vars) ? (vars as JsonObject) : {};
  }
}
