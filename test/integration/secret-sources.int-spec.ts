import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { FolderSource } from '../../src/credentials/sources/folder.js';
import { KubernetesSource } from '../../src/credentials/sources/kubernetes.js';
import { SecretsManagerSource } from '../../src/credentials/sources/secrets-manager.js';
import { SsmSource } from '../../src/credentials/sources/ssm.js';
import { VaultSource } from '../../src/credentials/sources/vault.js';
import type { JsonObject, JsonValue } from '../../src/model/index.js';
import { systemClock } from '../../src/platform/index.js';
import { AwsDouble, KubernetesDouble, VaultDouble } from '../support/secret-doubles.js';
import { secretSourceContract, type SecretSubject } from '../support/secret-source-contract.js';

const TIMEOUT_MS = 500;
const folder = mkdtempSync(path.join(os.tmpdir(), 'weir-secrets-'));
const AWS_KEYS = { region: 'eu-west-1', access_key: 'AKIATEST', secret_key: 'aws-secret-key' };
const ENDPOINTS = ['AWS_ENDPOINT_URL_SSM', 'AWS_ENDPOINT_URL_SECRETS_MANAGER'];

const token = path.join(folder, 'token');
beforeAll(() => writeFileSync(token, 'pod-token\n'));
afterAll(() => {
  rmSync(folder, { recursive: true });
  for (const name of ENDPOINTS) delete process.env[name];
});

const remoteOf = (
  double: VaultDouble | AwsDouble | KubernetesDouble,
  placeOf: (name: string) => string,
): NonNullable<SecretSubject['remote']> => ({
  trouble: (...answers) => void double.troubles.splice(0, Infinity, ...answers),
  forbid: (name) => void double.forbidden.add(placeOf(name)),
  requests: () => double.seen.length,
});
const fieldsOf = (value: JsonValue): JsonObject => (typeof value === 'string' ? { value } : (value as JsonObject));

secretSourceContract('the folder', {
  start: () => Promise.resolve(new FolderSource(folder)),
  put: (owner, name, value) => {
    const dir = path.join(folder, owner === 'team' ? 'main' : 'main/web');
    mkdirSync(dir, { recursive: true });
    if (typeof value === 'string') writeFileSync(path.join(dir, name), `${value}\n`);
    else writeFileSync(path.join(dir, `${name}.yml`), JSON.stringify(value));
  },
});

for (const mount of ['concourse', 'v2']) {
  const vault = new VaultDouble(Date.now);
  const placeOf = (name: string): string => `${mount}/main/${name}`;
  secretSourceContract(mount === 'v2' ? 'vault with versions' : 'vault', {
    start: async () => {
      await vault.start();
      vault.grant('s.client-token');
      const config = { url: vault.url, client_token: 's.client-token', path_prefix: `/${mount}` };
      const source = new VaultSource(config, 'pipeline', TIMEOUT_MS, systemClock);
      vault.secrets.set(placeOf('known'), { value: 'x' });
      await source.read(placeOf('known')); // knows its token and mount: what follows is about reading
      return source;
    },
    stop: () => vault.stop(),
    put: (owner, name, value) =>
      void vault.secrets.set(owner === 'team' ? placeOf(name) : `${mount}/main/web/${name}`, fieldsOf(value)),
    remote: remoteOf(vault, placeOf),
    credentials: ['s.client-token'],
  });
}

const awsSubject = (
  double: AwsDouble,
  endpoint: string,
  start: () => SsmSource | SecretsManagerSource,
  put: (place: string, value: JsonValue) => void,
): SecretSubject => ({
  start: async () => {
    await double.start();
    process.env[endpoint] = double.url;
    return start();
  },
  stop: () => double.stop(),
  put: (owner, name, value) => put(`/concourse/${owner === 'team' ? 'main' : 'main/web'}/${name}`, value),
  remote: remoteOf(double, (name) => `/concourse/main/${name}`),
  credentials: ['aws-secret-key'],
});

const ssm = new AwsDouble();
secretSourceContract(
  'AWS SSM',
  awsSubject(
    ssm,
    'AWS_ENDPOINT_URL_SSM',
    () => new SsmSource(AWS_KEYS, TIMEOUT_MS),
    (place, value) => {
      if (typeof value === 'string') ssm.secrets.set(place, value);
      else for (const [key, field] of Object.entries(value as JsonObject)) ssm.secrets.set(`${place}/${key}`, field);
    },
  ),
);

const manager = new AwsDouble();
secretSourceContract(
  'AWS Secrets Manager',
  awsSubject(
    manager,
    'AWS_ENDPOINT_URL_SECRETS_MANAGER',
    () => new SecretsManagerSource(AWS_KEYS, TIMEOUT_MS),
    (place, value) => void manager.secrets.set(place, typeof value === 'string' ? value : JSON.stringify(value)),
  ),
);

const cluster = new KubernetesDouble();
secretSourceContract('Kubernetes', {
  start: async () => {
    await cluster.start();
    return new KubernetesSource({ url: cluster.url, token_file: token }, TIMEOUT_MS);
  },
  stop: () => cluster.stop(),
  put: (owner, name, value) =>
    void cluster.secrets.set(`concourse-main/${owner === 'team' ? name : `web.${name}`}`, fieldsOf(value)),
  remote: remoteOf(cluster, (name) => `concourse-main/${name}`),
  credentials: ['pod-token'],
});
