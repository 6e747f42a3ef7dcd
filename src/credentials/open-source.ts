import { readFileSync } from 'node:fs';
import type { JsonObject } from '../model/index.js';
import { readSourceConfig } from '../pipelines/index.js';
import { UserError, type Clock, type Settings } from '../platform/index.js';
import { SourceError, type SecretSource } from './secret-source.js';
import type { SigningKeys } from './signing-keys.js';
import { DummySource } from './sources/dummy.js';
import { FolderSource } from './sources/folder.js';
import { IdTokenSource } from './sources/id-token.js';
import { KubernetesSource, type KubernetesConfig } from './sources/kubernetes.js';
import { SecretsManagerSource, type SecretsManagerConfig } from './sources/secrets-manager.js';
import { SsmSource, type SsmConfig } from './sources/ssm.js';
import { VaultSource, type VaultConfig } from './sources/vault.js';

/** What sources need of the server. */
export interface SourceParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly keys: SigningKeys;
}

/**
 * A var source of a pipeline, from its config with its vars filled in.
 * @throws SourceError naming what does not fit, without values.
 */
export function openVarSource(type: string, given: JsonObject, { settings, clock, keys }: SourceParts): SecretSource {
  const { config, faults } = readSourceConfig(type, given, 'pipeline');
  if (faults.length > 0) throw new SourceError(`its config does not fit: ${faults.join('; ')}`, false);
  const { secretTimeoutMs: timeoutMs, externalUrl } = settings;
  switch (type) {
    case 'dummy':
      return new DummySource((config['vars'] ?? {}) as JsonObject);
    case 'vault':
      return new VaultSource(config as unknown as VaultConfig, 'pipeline', timeoutMs, clock);
    case 'ssm':
      return new SsmSource(config as unknown as SsmConfig, timeoutMs);
    case 'secretsmanager':
      return new SecretsManagerSource(config as unknown as SecretsManagerConfig, timeoutMs);
    case 'idtoken':
      return new IdTokenSource(config, externalUrl, keys, clock);
    default:
      throw new UserError('var-source-unsupported', `this server has no var sources of type '${type}'`);
  }
}

/** The server's own source of values, by its kind as `/info/creds` names it; undefined when the settings name none. */
export interface ServerSource {
  readonly kind: string;
  readonly source: SecretSource;
}

/** @throws UserError `bad-setting` when its settings do not fit together. */
export function openServerSource({ settings, clock }: SourceParts): ServerSource | undefined {
  const { varsDir, vault, ssm, secretsmanager, kubernetes, secretTimeoutMs: timeoutMs } = settings;
  if (varsDir !== '') return { kind: 'folder', source: new FolderSource(varsDir) };
  if (vault['url'] !== undefined) {
    const config = checked('vault', vault) as unknown as VaultConfig;
    return { kind: 'vault', source: new VaultSource(config, 'server', timeoutMs, clock) };
  }
  if (ssm['region'] !== undefined)
    return { kind: 'ssm', source: new SsmSource(checked('ssm', ssm) as unknown as SsmConfig, timeoutMs) };
  if (secretsmanager['region'] !== undefined) {
    const config = checked('secretsmanager', secretsmanager) as unknown as SecretsManagerConfig;
    return { kind: 'secretsmanager', source: new SecretsManagerSource(config, timeoutMs) };
  }
  if (kubernetes['url'] === undefined && kubernetes['in_cluster'] !== true) return undefined;
  return { kind: 'kubernetes', source: new KubernetesSource(kubernetesConfig(kubernetes), timeoutMs) };
}

function checked(type: string, given: JsonObject): JsonObject {
  const { config, faults } = readSourceConfig(type, given, 'server');
  if (faults.length === 0) return config;
  throw new UserError('bad-setting', `the settings of ${type} do not fit: ${faults.join('; ')}`);
}

const POD = '/var/run/secrets/kubernetes.io/serviceaccount';

function kubernetesConfig(given: JsonObject): KubernetesConfig {
  const own = given as Partial<KubernetesConfig>;
  if (given['in_cluster'] !== true) return { ...own, url: own.url ?? '' };
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  if (!host) throw new UserError('bad-setting', '--kubernetes-in-cluster: this server does not run in a pod');
  const address = host.includes(':') ? `[${host}]` : host;
  return {
    url: `https://${address}:${port}`,
    ca_cert: readFileSync(`${POD}/ca.crt`, 'utf8'),
    token_file: `${POD}/token`,
    ...own,
  };
}
