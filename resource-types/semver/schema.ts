import { z } from 'zod';
import { gitAccessKeys } from '../git/shared.js';
import { refuseHalfCredentials, s3AccessKeys } from '../s3/shared.js';
import { parseNumber } from './bump.js';

const text = z.string().min(1);
const label = z
  .string()
  .regex(/^(?!0\d)[0-9A-Za-z-]+(?:\.(?!0\d)[0-9A-Za-z-]+)*$/, 'must be letters, digits and hyphens such as "rc"');
const relativePath = text.refine(
  (path) =>
    !path.startsWith('/') && !/\p{Cc}/u.test(path) && !path.split('/').some((part) => /^(?:|\.|\.\.)$/.test(part)),
  'must be a path such as "version" or "versions/app", without "..", and not begin with "/"',
);
/** A name and an address as in a mail, or an address alone. */
const person = z
  .string()
  .regex(/^(?:[^<>\p{Cc}]+<[^<>\s]+@[^<>\s]+>|[^<>\s]+@[^<>\s]+)$/u, 'must be "Name <name@example.com>"');

const gitOnly = ['uri', 'branch', 'private_key', 'private_key_user', 'private_key_passphrase', 'username', 'password'];
const keysOf = {
  git: [...gitOnly, 'git_user', 'git_config', 'commit_message', 'skip_ssl_verification', 'debug', 'file'],
  s3: ['bucket', 'key', 'server_side_encryption', 'sse_kms_key_id', ...Object.keys(s3AccessKeys)],
  file: ['file'],
} as const;
const needed = { git: ['uri', 'branch', 'file'], s3: ['bucket', 'key'], file: ['file'] } as const;

export const semverSource = z
  .strictObject({
    driver: z
      .enum(['git', 's3', 'file'], { error: 'must be git, s3 or file (gcs and swift are not supported)' })
      .optional()
      .describe('Where the number is kept: `git`, `s3` or `file`. Default `s3`.'),
    initial_version: z
      .string()
      .refine((number) => parseNumber(number) !== undefined, 'is not a version number such as "1.0.0"')
      .optional()
      .describe('The number while there is none. Default `0.0.0`.'),
    file: relativePath.optional().describe('git: path in the repository. file: path below the folder of the server.'),
    ...gitAccessKeys,
    uri: gitAccessKeys.uri.optional().describe('git: address of the repository.'),
    branch: gitAccessKeys.branch.optional().describe('git: branch with the file. It must exist.'),
    git_user: person.optional().describe('git: who commits, as `Name <address>`.'),
    commit_message: text
      .optional()
      .describe('git: message of the commit; `%version%` and `%file%` are filled in. Default `bump to %version%`.'),
    bucket: text.optional().describe('s3: name of the bucket.'),
    key: text.optional().describe('s3: name of the object that holds the number.'),
    server_side_encryption: text.optional().describe('s3: `AES256` or `aws:kms`.'),
    sse_kms_key_id: text.optional().describe('s3: key of `aws:kms`.'),
    ...s3AccessKeys,
    skip_ssl_verification: z.boolean().optional().describe('git, s3: certificates are not verified.'),
  })
  .superRefine((source, context) => {
    refuseHalfCredentials(source, context);
    const driver = source.driver ?? 's3';
    const given = source as Record<string, unknown>;
    for (const key of needed[driver]) {
      if (given[key] !== undefined) continue;
      context.addIssue({ code: 'custom', path: [key], message: `is missing: driver ${driver} needs it` });
    }
    const own = new Set<string>(['driver', 'initial_version', ...keysOf[driver]]);
    for (const key of Object.keys(source)) {
      if (own.has(key) || given[key] === undefined) continue;
      const owners = (['git', 's3', 'file'] as const).filter((name) =>
        (keysOf[name] as readonly string[]).includes(key),
      );
      const message = `belongs to driver ${owners.join(' or ')}, not ${driver}`;
      context.addIssue({ code: 'custom', path: [key], message });
    }
  });

export type SemverSource = z.output<typeof semverSource>;

const bumpKeys = {
  bump: z.enum(['major', 'minor', 'patch', 'final']).optional().describe('Which part of the number goes up.'),
  pre: label.optional().describe('Make it a pre-release of this name, or count the pre-release up.'),
  pre_without_version: z.boolean().optional().describe('With pre: no counter behind the name.'),
  build: label.optional().describe('Build metadata of this name, counted up.'),
  build_without_version: z.boolean().optional().describe('With build: no counter behind the name.'),
};

/** The numbers need their names. */
function needsLabel(
  params: { pre?: unknown; build?: unknown; pre_without_version?: unknown; build_without_version?: unknown },
  context: z.RefinementCtx,
): void {
  for (const key of ['pre', 'build'] as const) {
    if (params[`${key}_without_version`] === undefined || params[key] !== undefined) continue;
    context.addIssue({ code: 'custom', path: [`${key}_without_version`], message: `needs ${key}` });
  }
}

export const semverGetParams = z.strictObject(bumpKeys).superRefine(needsLabel);
export type SemverGetParams = z.output<typeof semverGetParams>;

export const semverPutParams = z
  .strictObject({
    file: text.optional().describe('File with the new number.'),
    ...bumpKeys,
    get_latest: z.boolean().optional().describe('Changes nothing and gives the current number.'),
  })
  .superRefine((params, context) => {
    needsLabel(params, context);
    const isBumped = params.bump !== undefined || params.pre !== undefined || params.build !== undefined;
    const wishes = [params.file !== undefined, isBumped, params.get_latest === true].filter(Boolean).length;
    if (wishes === 1) return;
    const message =
      wishes === 0
        ? 'needs file, bump, pre or build'
        : 'has more than one of file, bump (with pre and build) and get_latest';
    context.addIssue({ code: 'custom', path: [], message });
  });
export type SemverPutParams = z.output<typeof semverPutParams>;
