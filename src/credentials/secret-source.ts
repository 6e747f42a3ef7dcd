import type { JsonObject, JsonValue } from '../model/index.js';

/** For whom a var is looked up. */
export interface SecretOwner {
  readonly teamName: string;
  /** Absent for a build without a pipeline. */
  readonly pipelineName?: string | undefined;
  readonly instanceVars?: JsonObject | undefined;
  /** Absent for checks and one-off builds. */
  readonly jobName?: string | undefined;
}

/** Whoever waits for the answer of a lookup. */
export interface LookupWatcher {
  /** Ends a wait between two tries. */
  readonly signal: AbortSignal;
  /** Is told, in words without any value, that a source is in trouble and will be asked again. */
  readonly say: (text: string) => Promise<void>;
}

/** A value that was found. */
export interface Secret {
  readonly value: JsonValue;
  /** Longest time for which it may be used again, in milliseconds. Absent: as long as the settings say. */
  readonly keepMs?: number;
}

/** How a source does, in the shape of Concourse's `/info/creds`. */
export interface SourceHealth {
  /** What was asked to find out. */
  readonly method: string;
  readonly response?: unknown;
  readonly error?: string;
}

/**
 * Where vars have their values from. Looking one up: {@link places} says where it may be, {@link read} is asked for each
 * place in turn, and the first that has something wins. Sources keep logins and connections but no values, and are used by
 * many builds at once.
 */
export interface SecretSource {
  /** For people, without secrets: `vault at https://vault.example.com`. */
  readonly title: string;
  /** What it is set to, without secrets. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Answers come over a network, so they may be kept for a while and asked for again after trouble. */
  readonly isRemote: boolean;
  /** Where the var may be, the first place first. None for a name that would lead out of the owner's places. */
  places(name: string, owner: SecretOwner): readonly string[];
  /**
   * What is at the place; undefined when nothing is.
   * @throws SourceError in words that hold no value.
   */
  read(place: string, owner: SecretOwner): Promise<Secret | undefined>;
  health(): Promise<SourceHealth>;
  /** Renews logins that would end soon. Called every few seconds while the source is in use. Never throws. */
  keepAlive?(): Promise<void>;
}

/** A source cannot answer. The message says why, for the author of a pipeline, and never holds a value or credential. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  constructor(
    message: string,
    /** It may be over soon: worth another try. */
    readonly isPassing: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** May the text be one part of a path: no way up, no second part? */
export function isPathPart(text: string): boolean {
  return !['', '.', '..'].includes(text) && !/[/\\\0]/.test(text);
}

/** Do the names stay within their owner's places? Names of vars may have several parts. */
export function isPlain(name: string, { teamName, pipelineName }: SecretOwner): boolean {
  return [teamName, pipelineName ?? 'none', ...name.split('/')].every(isPathPart);
}
