import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BuildId } from '../../src/model/index.js';
import { requestAbort } from '../../src/persistence/index.js';
import type { Settings } from '../../src/platform/index.js';
import { outputLines } from '../support/build-scenarios.js';
import { credentialsOn } from '../support/credentials.js';
import { eventually } from '../support/eventually.js';
import { EngineWorld } from '../support/engine-world.js';
import { AwsDouble, KubernetesDouble, VaultDouble } from '../support/secret-doubles.js';

const vault = new VaultDouble(Date.now);
const aws = new AwsDouble();
const cluster = new KubernetesDouble();
const ENDPOINTS = ['AWS_ENDPOINT_URL_SSM', 'AWS_ENDPOINT_URL_SECRETS_MANAGER'];
const folder = mkdtempSync(path.join(os.tmpdir(), 'weir-managers-'));
let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
  world.engine(1).start();
  await Promise.all([vault.start(), aws.start(), cluster.start()]);
  for (const name of ENDPOINTS) process.env[name] = aws.url;
  vault.grant('s.t');
  writeFileSync(path.join(folder, 'token'), 'pod-token');
  for (const team of ['main']) {
    vault.secrets.set(`concourse/${team}/db`, { user: 'ann', password: 'vault-secret' });
    aws.secrets.set(`/concourse/${team}/db/password`, 'ssm-secret');
    aws.secrets.set(`/concourse/${team}/db`, JSON.stringify({ password: 'manager-secret' }));
    cluster.secrets.set(`concourse-${team}/db`, { password: 'cluster-secret' });
  }
});
afterAll(async () => {
  for (const name of ENDPOINTS) delete process.env[name];
  await world.close();
  await Promise.all([vault.stop(), aws.stop(), cluster.stop()]);
  rmSync(folder, { recursive: true });
});

const AWS = 'region: r, access_key: AKIATEST, secret_key: aws-secret-key';
/** Runs a build whose task prints the var. @param meanwhile something to do once it runs */
async function run(
  variable: string,
  sources = '',
  settings: () => Partial<Settings> = () => ({}),
  meanwhile: (id: BuildId) => Promise<unknown> = async () => undefined,
) {
  world.credentials = credentialsOn(world.db, settings());
  const engine = world.engine(world.engines.length + 1, { instance: `of-${variable}` });
  engine.start();
  for (const other of world.engines) if (other !== engine) await other.stop();
  const params = `params: {SECRET: "((${variable}))"}, run: {path: env, args: [SECRET]}`;
  const plan = `[{get: repo}, {task: t, config: {platform: linux, ${params}}}]`;
  const yaml = `${sources}\nresources: [{name: repo, type: scripted}]\njobs: [{name: j, plan: ${plan}}]`;
  const { id } = await world.start(await world.pipeline(yaml));
  await meanwhile(id);
  const status = await world.finished(id);
  const events = await world.events(id);
  const errors = events.flatMap(({ data }) => ('message' in data ? [data.message] : []));
  return { status, lines: outputLines(events, () => 'step'), errors, stored: JSON.stringify(events) };
}

describe('a param of a task comes from', () => {
  const source = (type: string, config: string): string =>
    `var_sources: [{name: s, type: ${type}, config: {${config}}}]`;
  it.each<[string, string, () => string, () => Partial<Settings>, string]>([
    [
      'a dummy source',
      's:db.password',
      () => source('dummy', 'vars: {db: {password: dummy-secret}}'),
      () => ({}),
      'dummy-secret',
    ],
    [
      'a vault of the pipeline',
      's:db.password',
      () => source('vault', `url: "${vault.url}", client_token: s.t`),
      () => ({}),
      'vault-secret',
    ],
    [
      'Secrets Manager of the pipeline',
      's:db.password',
      () => source('secretsmanager', AWS),
      () => ({}),
      'manager-secret',
    ],
    ['SSM of the pipeline', 's:db/password', () => source('ssm', AWS), () => ({}), 'ssm-secret'],
    ['an ID token', 's:token', () => source('idtoken', 'audience: [cloud], subject_scope: job'), () => ({}), 'eyJ'],
    [
      'the vault of the server',
      'db.password',
      () => '',
      () => ({ vault: { url: vault.url, client_token: 's.t' } }),
      'vault-secret',
    ],
    [
      'Secrets Manager of the server',
      'db.password',
      () => '',
      () => ({ secretsmanager: { region: 'r', access_key: 'AKIATEST', secret_key: 'k' } }),
      'manager-secret',
    ],
    [
      'Kubernetes of the server',
      'db.password',
      () => '',
      () => ({ kubernetes: { url: cluster.url, token_file: path.join(folder, 'token') } }),
      'cluster-secret',
    ],
  ])('%s, and is hidden', async (_what, variable, sources, settings, secret) => {
    const { status, lines, stored, errors } = await run(variable, sources(), settings);
    expect([status, lines, errors]).toEqual(['succeeded', ['step: SECRET=((redacted))'], []]);
    expect(stored).not.toContain(secret);
  });
});

describe('a build whose var has no value', () => {
  const ofVault = (more = ''): string =>
    `var_sources: [{name: s, type: vault, config: {url: "${vault.url}", client_token: s.t${more}}}]`;

  it('says which', async () => {
    expect((await run('s:gone', ofVault())).errors).toEqual(['undefined vars: s:gone']);
    expect((await run('s:db.gone', ofVault())).errors).toEqual(["var 's:db.gone' has no field 'gone'"]);
  });

  it('says which source failed at what, and why', async () => {
    vault.forbidden.add('concourse/main/locked');
    expect((await run('s:locked', ofVault())).errors).toEqual([
      `var 'locked' of var source 's': vault at ${vault.url}: refuses to read (403: 1 error occurred: * permission denied) (looked at concourse/main/locked)`,
    ]);
    const dead = { vault: { url: 'http://127.0.0.1:1', client_token: 's.t' }, secretRetryAttempts: 2 };
    expect((await run('db', '', () => dead)).errors[0]).toMatch(
      /^var 'db': vault at http:\/\/127\.0\.0\.1:1: 127\.0\.0\.1:1 cannot be reached: ECONNREFUSED \(looked at .*, asked 2 times\)$/,
    );
  });

  it('says which value of the config of a source does not fit, and not the value', async () => {
    const sources = `var_sources: [{name: d, type: dummy, config: {vars: {bad: hidden-value}}}, {name: s, type: idtoken, config: {algorithm: ((d:bad))}}]`;
    const { errors, stored } = await run('s:token', sources);
    expect(errors).toEqual(["var source 's': its config does not fit: the value of algorithm does not fit"]);
    expect(stored).not.toContain('hidden-value');
  });
});

describe('a source in trouble', () => {
  const settings = (secretRetryIntervalMs: number) => () => ({
    vault: { url: vault.url, client_token: 's.t' },
    secretRetryAttempts: 3,
    secretRetryIntervalMs,
  });

  it('is asked again, and the build says why it waits', async () => {
    vault.troubles.push({ status: 503, body: '{"errors":["Vault is sealed"]}' });
    const { status, stored } = await run('db.password', '', settings(50));
    expect(status).toBe('succeeded');
    expect(stored).toMatch(/vault at [^"]*503[^"]*Vault is sealed[^"]*asked again in 0\.05 s \(try 1 of 3\)/);
  });

  it('holds no build that is aborted', async () => {
    vault.troubles.push({ status: 503 });
    const { status } = await run('db.password', '', settings(600_000), async (id) => {
      await eventually('it waits', async () => JSON.stringify(await world.events(id)).includes('asked again'));
      await world.db.tx((tx) => requestAbort(tx, id, 'tester'));
    });
    expect(status).toBe('aborted');
  });
});

describe('the config of a var source', () => {
  it('may take its credentials from another source', async () => {
    const sources = `var_sources:
- {name: s, type: vault, config: {url: "${vault.url}", client_token: ((d:token))}}
- {name: d, type: dummy, config: {vars: {token: s.t}}}`;
    expect((await run('s:db.password', sources)).status).toBe('succeeded');
  });

  it('that was stored with a circle is an error and no endless wait', async () => {
    const { id } = await world.pipeline('jobs: [{name: j, plan: [{task: t, file: a/b}]}]');
    const circle = ['a:b', 'b:a'].map((pair) => ({
      name: pair[0],
      type: 'dummy',
      config: { vars: { x: `((${pair[2]}:x))` } },
    }));
    await world.db.query(`update pipeline_revisions set config = config::jsonb || $2 where pipeline_id = $1`, [
      id,
      JSON.stringify({ var_sources: circle }),
    ]);
    const references = ['a', 'b'].map((source) => ({ source, path: 'x', fields: [], text: `${source}:x` }));
    const fetched = credentialsOn(world.db).fetch({ teamName: 'main', pipelineId: id as never }, references);
    await expect(fetched).rejects.toThrow("var source 'a' needs itself");
  });
});

it('reads a value once for all of its fields', async () => {
  const before = vault.asked('/v1/concourse/main/db');
  const credentials = credentialsOn(world.db, { vault: { url: vault.url, client_token: 's.t' } });
  const { value, secrets } = await credentials.fill({ a: '((db.user))', b: '((db.password))' }, { teamName: 'main' });
  expect([value, vault.asked('/v1/concourse/main/db') - before]).toEqual([{ a: 'ann', b: 'vault-secret' }, 1]);
  expect(secrets).toContain('vault-secret');
  expect(JSON.stringify(await credentials.health())).toMatch(
    /^\{"vault":\{"url":.*"method":"\/v1\/sys\/health","response"/,
  );
});
