import { z } from 'zod';
import { refuseHalfCredentials, s3AccessKeys } from './access.js';
import { compilePattern } from './pattern.js';

const text = z.string().min(1);
const key = text.refine((path) => !path.startsWith('/') && !/\p{Cc}/u.test(path), 'is not the path of an object');
/** As Concourse has it, where params are often texts. */
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')], {
  error: 'must be true or false',
});

export const s3Source = z
  .strictObject({
    bucket: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'is not the name of a bucket')
      .describe('Name of the bucket.'),
    regexp: z
      .string()
      .max(1000)
      .refine(
        (pattern) => compilePattern(pattern) !== undefined,
        'is not a regular expression with a group in parentheses',
      )
      .optional()
      .describe('Objects whose whole path matches are versions; the group `version`, or the first, is the number.'),
    versioned_file: key.optional().describe('One object in a bucket that keeps versions.'),
    ...s3AccessKeys,
    private: z.boolean().optional().describe('The file `url` holds a signed address, good for a day.'),
    skip_download: flag.optional().describe('get does not download the object.'),
    server_side_encryption: text.optional().describe('`AES256` or `aws:kms`.'),
    sse_kms_key_id: text.optional().describe('Key of `aws:kms`.'),
    disable_multipart: z.boolean().optional().describe('Objects are sent in one piece.'),
    checksum_algorithm: z
      .enum(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'])
      .optional()
      .describe('Checksum that is sent with objects.'),
    initial_path: key.optional().describe('With regexp: the version while no object matches.'),
    initial_version: text.optional().describe('With versioned_file: the version while there is none.'),
    initial_content_text: z.string().optional().describe('Content of the initial version.'),
    initial_content_binary: z.base64().optional().describe('Content of the initial version, as base64.'),
    cloudfront_url: z
      .never({ error: 'is not supported: CloudFront in front of a bucket is deprecated in Concourse' })
      .optional()
      .describe('Refused: deprecated in Concourse.'),
  })
  .superRefine((source, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    refuseHalfCredentials(source, context);
    if ((source.regexp === undefined) === (source.versioned_file === undefined)) {
      const message =
        source.regexp === undefined
          ? 'is missing, unless versioned_file is given'
          : 'cannot be combined with versioned_file';
      refuse('regexp', message);
    }
    if (source.initial_path !== undefined && source.regexp === undefined) refuse('initial_path', 'needs regexp');
    if (source.initial_path !== undefined && source.regexp !== undefined) {
      if (compilePattern(source.regexp)?.exec(source.initial_path) === null)
        refuse('initial_path', 'does not match regexp');
    }
    if (source.initial_version !== undefined && source.versioned_file === undefined)
      refuse('initial_version', 'needs versioned_file');
    const contents = ['initial_content_text', 'initial_content_binary'] as const;
    for (const content of contents) {
      if (source[content] !== undefined && source.initial_path === undefined && source.initial_version === undefined)
        refuse(content, 'needs initial_path or initial_version');
    }
    if (contents.every((content) => source[content] !== undefined))
      refuse('initial_content_binary', 'cannot be combined with initial_content_text');
  });
export type S3Source = z.output<typeof s3Source>;

export const s3GetParams = z.strictObject({
  skip_download: flag.optional().describe("Do not download the object. Default: the source's."),
  unpack: z.boolean().optional().describe('Unpack a tar (also gzipped), gzip or zip file.'),
  download_tags: z.boolean().optional().describe('Write the tags of the object into `tags.json`.'),
});
export type S3GetParams = z.output<typeof s3GetParams>;

export const s3PutParams = z.strictObject({
  file: text.describe('Path or glob of the one file to upload.'),
  acl: z
    .enum([
      'private',
      'public-read',
      'public-read-write',
      'authenticated-read',
      'aws-exec-read',
      'bucket-owner-read',
      'bucket-owner-full-control',
    ])
    .optional()
    .describe('Canned ACL of the object.'),
  content_type: text.optional().describe('Content type of the object.'),
});
export type S3PutParams = z.output<typeof s3PutParams>;
