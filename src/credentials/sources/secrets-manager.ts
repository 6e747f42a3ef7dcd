import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { JsonObject } from '../../model/index.js';
import { SourceError, type Secret, type SecretOwner, type SecretSource, type SourceHealth } from '../secret-source.js';
import {
  ask,
  awsClientConfig,
  awsHealth,
  awsPlaces,
  awsTemplates,
  HEALTH_PROBE,
  isAwsError,
  type AwsConfig,
} from './aws.js';

export interface SecretsManagerConfig extends AwsConfig {
  readonly shared_secret_template?: string;
}

type Sdk = typeof import('@aws-sdk/client-secrets-manager');

/** Secrets of the AWS Secrets Manager: text, or a map when the text is a JSON object. */
export class SecretsManagerSource implements SecretSource {
  readonly isRemote = true;
  readonly title: string;
  readonly settings: Readonly<Record<string, unknown>>;
  private readonly templates: readonly string[];
  private client: Promise<{ sdk: Sdk; client: SecretsManagerClient }> | undefined;

  constructor(
    private readonly config: SecretsManagerConfig,
    private readonly timeoutMs: number,
  ) {
    this.title = `AWS Secrets Manager in ${config.region}`;
    this.templates = [...awsTemplates(config), config.shared_secret_template ?? '/concourse/{{.Secret}}'];
    const [pipeline_secret_template, team_secret_template, shared_secret_template] = this.templates;
    this.settings = {
      aws_region: config.region,
      pipeline_secret_template,
      team_secret_template,
      shared_secret_template,
    };
  }

  places(name: string, owner: SecretOwner): string[] {
    return awsPlaces(this.templates, name, owner);
  }

  async read(SecretId: string): Promise<Secret | undefined> {
    const { sdk, client } = await this.connect();
    const command = new sdk.GetSecretValueCommand({ SecretId });
    try {
      const found = await ask((options) => client.send(command, options), this.timeoutMs);
      const { SecretString: text, SecretBinary: bytes } = found;
      if (text !== undefined) return { value: mapIn(text) ?? text };
      const value = mapIn(Buffer.from(bytes ?? []).toString('utf8'));
      if (value === undefined) throw new SourceError('has bytes there that are no JSON object', false);
      return { value };
    } catch (error) {
      // InvalidRequestException: it is marked for deletion.
      if (isAwsError(error, 'ResourceNotFoundException', 'InvalidRequestException')) return undefined;
      throw error;
    }
  }

  health(): Promise<SourceHealth> {
    return awsHealth('GetSecretValue', () => this.read(HEALTH_PROBE));
  }

  /** The SDK is big, so it is loaded when it is first used. */
  private connect(): Promise<{ sdk: Sdk; client: SecretsManagerClient }> {
    this.client ??= import('@aws-sdk/client-secrets-manager').then((sdk) => ({
      sdk,
      client: new sdk.SecretsManagerClient(awsClientConfig(this.config)),
    }));
    return this.client;
  }
}

function mapIn(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
