import { z } from 'zod';

const text = z.string().regex(/^\P{Cc}+$/u, 'must be one line of text');
const refused = (reason: string) =>
  z
    .never({ error: `is not supported: ${reason}` })
    .optional()
    .describe(`Refused: ${reason}.`);

/** Keys of a source that say how to reach a server that speaks S3. */
export const s3AccessKeys = {
  access_key_id: text.optional().describe('Access key. Without it requests are anonymous.'),
  secret_access_key: text.optional().describe('Secret of the access key.'),
  session_token: text.optional().describe('Token of temporary credentials.'),
  aws_role_arn: text.optional().describe('Role to assume with these credentials.'),
  enable_aws_creds_provider: z
    .literal(false, { error: "is not supported: the server's own cloud identity is not lent to pipelines" })
    .optional()
    .describe("Only false: the server's own cloud identity is not lent to pipelines."),
  region_name: text
    .regex(/^[a-z0-9-]+$/, 'is not a region such as "eu-central-1"')
    .optional()
    .describe('Region of the bucket. Default `us-east-1`.'),
  endpoint: text
    .refine(
      (endpoint) => endpointUrl(endpoint, false) !== undefined,
      'is not an address such as "https://s3.example.com"',
    )
    .optional()
    .describe('Address of a server other than AWS; without a scheme https unless `disable_ssl`.'),
  disable_ssl: z.boolean().optional().describe('http for an endpoint that names no scheme.'),
  skip_ssl_verification: z.boolean().optional().describe('Certificates are not verified.'),
  ca_bundle: z.string().min(1).optional().describe('Certificates (PEM) to trust besides the usual ones.'),
  use_path_style: z
    .boolean()
    .optional()
    .describe('`host/bucket/key` instead of `bucket.host/key`. Default: true with an endpoint.'),
  skip_s3_checksums: z.boolean().optional().describe('Only the checksums S3 demands; default with an endpoint.'),
  use_v2_signing: refused('Signature Version 2 is obsolete'),
};

/** How to reach a server that speaks S3. */
export type S3Access = z.output<z.ZodObject<typeof s3AccessKeys>>;

/** The address without credentials, path or query; undefined when it is none. */
export function endpointUrl(endpoint: string, isPlain: boolean): URL | undefined {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `${isPlain ? 'http' : 'https'}://${endpoint}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '' ? url : undefined;
}

/** What limits of concurrent checks count by. */
export function s3HostOf(access: S3Access): string {
  const url = access.endpoint === undefined ? undefined : endpointUrl(access.endpoint, access.disable_ssl === true);
  return url?.host ?? `s3.${access.region_name ?? 'us-east-1'}.amazonaws.com`;
}

/** Credentials need each other. */
export function refuseHalfCredentials(access: S3Access, context: z.RefinementCtx): void {
  const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  const [id, secret] = [access.access_key_id !== undefined, access.secret_access_key !== undefined];
  if (id !== secret)
    refuse(id ? 'secret_access_key' : 'access_key_id', 'is missing: a key and its secret need each other');
  for (const key of ['session_token', 'aws_role_arn'] as const) {
    if (access[key] !== undefined && !id) refuse(key, 'needs access_key_id and secret_access_key');
  }
}
