import type { JsonObject, SourceId } from '../../model/index.js';
import type { Problem } from '../config/index.js';

/** Names one pipeline source of one team. */
export interface SourceRef {
  readonly teamName: string;
  readonly name: string;
}

/** At most one kind: a private SSH key, or a username and password for HTTP. Never given back. */
export interface SourceCredentials {
  readonly private_key?: string;
  readonly username?: string;
  readonly password?: string;
}

export interface CreateSourceRequest extends SourceRef {
  /** Without a password in it. */
  readonly uri: string;
  /** @default the repository's default branch */
  readonly branch?: string;
  /** Which files are pipelines, as a glob from the top of the repository. @default `pipeline.yml` */
  readonly pathGlob?: string;
  readonly credentials?: SourceCredentials;
  /** Template vars for every file. */
  readonly vars?: JsonObject;
  /** Seconds between two polls. @default 60 */
  readonly intervalSeconds?: number;
  /** Lets a webhook ask for a sync; stored as a digest. */
  readonly webhookToken?: string;
}

/** Absent fields stay; null takes the value away. */
export interface UpdateSourceRequest extends SourceRef {
  readonly uri?: string;
  readonly branch?: string | null;
  readonly pathGlob?: string;
  readonly credentials?: SourceCredentials | null;
  readonly vars?: JsonObject;
  readonly intervalSeconds?: number;
  readonly webhookToken?: string | null;
}

/** Why the last sync changed nothing. */
export interface SyncError {
  /** `repository`: it could not be read, tried again with growing pauses. `config`: a file is wrong, fixed by a commit. */
  readonly kind: 'repository' | 'config';
  readonly message: string;
  /** The commit whose files are wrong. */
  readonly commit?: string;
  readonly problems: readonly Problem[];
  /** ISO 8601. */
  readonly at: string;
}

export interface PipelineSource {
  readonly id: SourceId;
  readonly teamName: string;
  readonly name: string;
  readonly uri: string;
  readonly branch?: string;
  readonly pathGlob: string;
  readonly credentialKind: 'none' | 'private_key' | 'password';
  readonly vars: JsonObject;
  readonly intervalSeconds: number;
  readonly hasWebhook: boolean;
  readonly createdAt: Date;
  readonly nextSyncAt: Date;
  readonly isSyncing: boolean;
  /** When the repository was last read without an error. */
  readonly lastSyncedAt?: Date;
  /** The commit whose pipelines are set. */
  readonly lastCommit?: string;
  readonly lastError?: SyncError;
  /** Names of its pipelines that are not archived. */
  readonly pipelines: readonly string[];
}
