import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetBucketVersioningCommand,
  PutBucketVersioningCommand,
  S3Client,
  CreateBucketCommand,
} from '@aws-sdk/client-s3';
import S3rver from 's3rver';
import { eventually } from './processes.js';

/** A real S3 server on 127.0.0.1 that is gone after the test. */
export interface S3Server {
  readonly endpoint: string;
  /** Keys of a source that reach it. */
  readonly access: {
    readonly endpoint: string;
    readonly access_key_id: string;
    readonly secret_access_key: string;
  };
  client(): S3Client;
  createBucket(name: string): Promise<void>;
  close(): Promise<void>;
}

/** s3rver: knows access keys; checks no signature and knows neither versions of objects nor conditional writes. */
export async function startS3Server(): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-test-s3-'));
  const server = new S3rver({ directory, port: 0, address: '127.0.0.1', silent: true });
  const address = await server.run();
  return serverAt(`http://127.0.0.1:${address.port}`, 'S3RVER', async () => {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });
}

const MOTO = process.env['WEIR_TEST_MOTO'] ?? 'python3';

/** Whether Python has moto (`pip install 'moto[s3,sts]' flask flask-cors`); WEIR_TEST_MOTO may name the Python. */
export const hasMoto = spawnSync(MOTO, ['-c', 'import moto.server, flask_cors'], { stdio: 'ignore' }).status === 0;

/** moto: knows versions of objects, conditional writes and roles; does not check signatures. */
export async function startMoto(): Promise<S3Server> {
  const port = await freePort();
  const child = spawn(MOTO, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  const server = serverAt(endpoint, 'test', async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve));
  });
  await eventually(
    'moto answers',
    () =>
      fetch(endpoint).then(
        () => true,
        () => false,
      ),
    15_000,
  );
  return server;
}

/** Makes every write of an object a version of its own. */
export async function enableVersions(server: S3Server, bucket: string): Promise<void> {
  const client = server.client();
  await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket: bucket }));
  client.destroy();
  if (Status !== 'Enabled') throw new Error('this server keeps no versions');
}

function serverAt(endpoint: string, key: string, close: () => Promise<void>): S3Server {
  const access = { endpoint, access_key_id: key, secret_access_key: key };
  const client = () =>
    new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      credentials: { accessKeyId: key, secretAccessKey: key },
    });
  const createBucket = async (name: string) => {
    const own = client();
    await own.send(new CreateBucketCommand({ Bucket: name }));
    own.destroy();
  };
  return { endpoint, access, client, createBucket, close };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
