import type { SSMClient } from '@aws-sdk/client-ssm';
import {
  isPlain,
  SourceError,
  type Secret,
  type SecretOwner,
  type SecretSource,
  type SourceHealth,
} from '../secret-source.js';
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

export interface SsmConfig extends AwsConfig {
  readonly shared_path?: string;
}

type Sdk = typeof import('@aws-sdk/client-ssm');

/** A value with more fields is no secret any more, and every ten of them are a request. */
const MAX_FIELDS = 1_000;

/** Parameters of the AWS Systems Manager: one of the name, else all below it as a map. */
export class SsmSource implements SecretSource {
  readonly isRemote = true;
  readonly title: string;
  readonly settings: Readonly<Record<string, unknown>>;
  private client: Promise<{ sdk: Sdk; client: SSMClient }> | undefined;

  constructor(
    private readonly config: SsmConfig,
    private readonly timeoutMs: number,
  ) {
    this.title = `AWS SSM in ${config.region}`;
    const [pipeline_secret_template, team_secret_template] = awsTemplates(config);
    const { region: aws_region, shared_path } = config;
    this.settings = { aws_region, pipeline_secret_template, team_secret_template, shared_path };
  }

  places(name: string, owner: SecretOwner): string[] {
    const shared = this.config.shared_path;
    const places = awsPlaces(awsTemplates(this.config), name, owner);
    return shared && isPlain(name, owner) ? [...places, `${shared.replace(/\/+$/, '')}/${name}`] : places;
  }

  async read(place: string): Promise<Secret | undefined> {
    const value = (await this.parameter(place)) ?? (await this.parametersBelow(place));
    return value === undefined ? undefined : { value };
  }

  health(): Promise<SourceHealth> {
    return awsHealth('GetParameter', () => this.parameter(HEALTH_PROBE));
  }

  private async parameter(Name: string): Promise<string | undefined> {
    const { sdk, client } = await this.connect();
    const command = new sdk.GetParameterCommand({ Name, WithDecryption: true });
    try {
      return (await ask((options) => client.send(command, options), this.timeoutMs)).Parameter?.Value;
    } catch (error) {
      if (isAwsError(error, 'ParameterNotFound', 'ParameterVersionNotFound')) return undefined;
      throw error;
    }
  }

  private async parametersBelow(place: string): Promise<Record<string, string> | undefined> {
    const { sdk, client } = await this.connect();
    const fields = new Map<string, string>();
    for (let NextToken: string | undefined, hasMore = true; hasMore; hasMore = NextToken !== undefined) {
      const page = { Path: place, Recursive: true, WithDecryption: true, MaxResults: 10 };
      const command = new sdk.GetParametersByPathCommand({
        ...page,
        ...(NextToken === undefined ? {} : { NextToken }),
      });
      const answer = await ask((options) => client.send(command, options), this.timeoutMs);
      for (const { Name = '', Value = '' } of answer.Parameters ?? []) fields.set(Name.slice(place.length + 1), Value);
      if (fields.size > MAX_FIELDS)
        throw new SourceError(`has more than ${MAX_FIELDS} parameters below the name`, false);
      NextToken = answer.NextToken;
    }
    return fields.size === 0 ? undefined : Object.fromEntries(fields);
  }

  /** The SDK is big, so it is loaded when it is first used. */
  private connect(): Promise<{ sdk: Sdk; client: SSMClient }> {
    this.client ??= import('@aws-sdk/client-ssm').then((sdk) => ({
      sdk,
      client: new sdk.SSMClient(awsClientConfig(this.config)),
    }));
    return this.client;
  }
}
