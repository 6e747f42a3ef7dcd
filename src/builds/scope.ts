import type { JsonObject, JsonValue } from '../model/index.js';
import type { ArtifactRef } from '../runtime/index.js';
import type { Outcome } from './outcome.js';

/**
 * What steps hand to later steps: artifacts and local vars, each a flat map per build. A combination of `across` has a scope
 * of its own: it sees what was there before, and nothing of it is seen outside.
 */
export class Scope {
  private readonly artifacts = new Map<string, ArtifactRef>();
  private readonly vars = new Map<string, JsonValue>();
  private readonly outcomes = new Map<string, Outcome>();

  constructor(private readonly outer?: Scope) {}

  /** The outermost scope of a build. */
  static with(vars: JsonObject = {}): Scope {
    const scope = new Scope();
    for (const [name, value] of Object.entries(vars)) scope.setLocalVar(name, value);
    return scope;
  }

  inner(): Scope {
    return new Scope(this);
  }

  artifact(name: string): ArtifactRef | undefined {
    return this.artifacts.get(name) ?? this.outer?.artifact(name);
  }

  artifactNames(): string[] {
    return [...new Set([...(this.outer?.artifactNames() ?? []), ...this.artifacts.keys()])].sort();
  }

  /** A later artifact takes the place of an earlier one with its name. */
  setArtifact(name: string, ref: ArtifactRef): void {
    this.artifacts.set(name, ref);
  }

  localVar(name: string): JsonValue | undefined {
    return this.vars.has(name) ? this.vars.get(name) : this.outer?.localVar(name);
  }

  setLocalVar(name: string, value: JsonValue): void {
    this.vars.set(name, value);
  }

  /** Every local var that is known here. */
  localVars(): JsonObject {
    return { ...this.outer?.localVars(), ...Object.fromEntries(this.vars) };
  }

  /** How the steps with names ended that ran before, the last of each name. */
  results(): Readonly<Record<string, Outcome>> {
    return { ...this.outer?.results(), ...Object.fromEntries(this.outcomes) };
  }

  noteResult(name: string, outcome: Outcome): void {
    this.outcomes.set(name, outcome);
  }
}
