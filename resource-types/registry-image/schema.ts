import { z } from 'zod';
import type { Credentials } from './auth.js';
import { isDigest } from './digest.js';
import { isHost, isTag, parseRepository } from './reference.js';
import { parseConstraint } from './semver-tags.js';

/** A key of Concourse's registry-image resource that is known here and refused, with the reason. */
const refused = (reason: string) =>
  z
    .never({ error: `is not supported: ${reason}` })
    .optional()
    .describe(`Refused: ${reason}.`);

const noEcr = "AWS logins are not made here; set username and password, for ECR 'AWS' and an ECR login password";
const noAcr =
  'Azure logins are not made here; set username and password, for ACR those of a token or service principal';
const noFilter = 'versions are not filtered by labels or annotations';

/** YAML reads `tag: 22` as a number. */
const tag = z
  .union([z.string(), z.number().transform(String)])
  .refine(isTag, 'is not a valid tag (quote it if it is a number)');
const regexp = z
  .string()
  .max(1000)
  .refine((value) => isRegExp(value), 'is not a valid regular expression');

function isRegExp(value: string): boolean {
  try {
    new RegExp(value);
    return true;
  } catch {
    return false;
  }
}

function isConstraint(value: string): boolean {
  try {
    parseConstraint(value);
    return true;
  } catch {
    return false;
  }
}

const platform = z.strictObject({
  architecture: z
    .string()
    .min(1)
    .optional()
    .describe('In the words of Go: `amd64`, `arm64`, … Default: that of the server.'),
  os: z.string().min(1).optional().describe('Default `linux`.'),
});

const credentials = {
  username: z.string().optional().describe('User at the registry.'),
  password: z.string().optional().describe('Password or token of the user.'),
};

type Refine = z.core.$RefinementCtx;

/** Empty ones count as none: that is what an unset credential often becomes. */
function demandBoth({ username = '', password = '' }: Partial<Credentials>, context: Refine): void {
  if ((username === '') === (password === '')) return;
  const [there, missing] = username === '' ? ['password', 'username'] : ['username', 'password'];
  context.addIssue({ code: 'custom', path: [missing], message: `is missing beside ${there}` });
}

export const imageSource = z
  .strictObject({
    repository: z
      .string()
      .refine(
        (text) => parseRepository(text) !== undefined,
        "is not the name of a repository, such as 'alpine' or 'registry.example.com/team/app' (no scheme, no tag)",
      )
      .describe('The repository, with its registry unless it is at Docker Hub.'),
    tag: tag.optional().describe('Follow this tag: each digest it points to is a version. put pushes to it.'),
    tag_regex: regexp.optional().describe('Versions are the tags that match this regular expression.'),
    created_at_sort: z
      .boolean()
      .optional()
      .describe('With tag_regex: order by the time the image was made, not by name.'),
    variant: tag.optional().describe('Versions are the tags that end with `-` and this; put adds it to version.'),
    semver_constraint: z
      .string()
      .max(1000)
      .refine(isConstraint, 'is not a valid constraint')
      .optional()
      .describe('Only versions that satisfy it, for example `~1.2.x` or `>= 1.2, < 3.0.0 || >= 4.2.3`.'),
    pre_releases: z.boolean().optional().describe('Pre-releases are versions too.'),
    pre_release_prefixes: z
      .array(z.string().regex(/^[0-9A-Za-z]+$/, 'must be letters and digits'))
      .optional()
      .describe('What begins a pre-release; any other suffix is a variant. Default alpha, beta, rc.'),
    ...credentials,
    insecure: z
      .boolean()
      .optional()
      .describe('Do not verify the certificate, and use plain HTTP when the registry has no TLS.'),
    ca_certs: z.array(z.string().min(1)).optional().describe('Certificates (PEM) to trust besides the usual ones.'),
    registry_mirror: z
      .strictObject({
        host: z
          .string()
          .refine(isHost, 'is not a host with or without a port (no scheme)')
          .describe('Host of the mirror.'),
        ...credentials,
      })
      .superRefine(demandBoth)
      .optional()
      .describe('Asked first by check and get when repository names no registry.'),
    platform: platform.optional().describe('Which image of several to get.'),
    debug: z.boolean().optional().describe('Every request is shown in the log.'),
    aws_access_key_id: refused(noEcr),
    aws_secret_access_key: refused(noEcr),
    aws_session_token: refused(noEcr),
    aws_region: refused(noEcr),
    aws_ecr_registry_id: refused(noEcr),
    aws_account_id: refused(noEcr),
    aws_role_arn: refused(noEcr),
    aws_role_arns: refused(noEcr),
    azure_acr: refused(noAcr),
    azure_client_id: refused(noAcr),
    azure_tenant_id: refused(noAcr),
    azure_environment: refused(noAcr),
    content_trust: refused('images are not signed with Notary'),
    label_regex: refused(noFilter),
    annotation_regex: refused(noFilter),
  })
  .superRefine((source, context) => {
    demandBoth(source, context);
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (source.tag !== undefined && source.tag_regex !== undefined) refuse('tag_regex', 'cannot be combined with tag');
  });

export type ImageSource = z.output<typeof imageSource>;

export const imageGetParams = z
  .strictObject({
    format: z
      .enum(['rootfs', 'oci', 'oci-layout'])
      .optional()
      .describe('`rootfs` (default): unpacked, for steps to run in. `oci`: image.tar. `oci-layout`: the folder oci.'),
    platform: platform.optional().describe("Instead of the source's."),
    skip_download: z.boolean().optional().describe('Only repository, tag and digest are written.'),
    ...credentials,
  })
  .superRefine(demandBoth);

export type ImageGetParams = z.output<typeof imageGetParams>;

export const imagePutParams = z
  .strictObject({
    image: z
      .string()
      .min(1)
      .describe('Path or glob of one OCI layout (folder or tar) or one tar as `docker save` makes it.'),
    version: tag.optional().describe('Push under this version too, with the variant.'),
    bump_aliases: z
      .boolean()
      .optional()
      .describe('With version: also push `1.2`, `1` and `latest` (or the variant) where no higher version exists.'),
    additional_tags: z.string().min(1).optional().describe('File with further tags, separated by white space.'),
    tag_prefix: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'cannot begin a tag')
      .optional()
      .describe('Put before each tag of additional_tags.'),
    ...credentials,
  })
  .superRefine((params, context) => {
    demandBoth(params, context);
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (params.bump_aliases === true && params.version === undefined) refuse('bump_aliases', 'needs version');
    if (params.tag_prefix !== undefined && params.additional_tags === undefined)
      refuse('tag_prefix', 'needs additional_tags');
  });

export type ImagePutParams = z.output<typeof imagePutParams>;

/** A version names an image by digest; `tag` says under which name it was found. */
export const imageVersion = z.looseObject({
  tag: z.string().refine(isTag).optional(),
  digest: z.string().refine(isDigest, 'is not a digest'),
});
