import { validRange } from 'semver';
import { z } from 'zod';

const apiUrl = z.string().refine((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return (
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.password === '' &&
    url.search === ''
  );
}, 'is not an address such as "https://github.example.com/api/v3"');
const name = z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]+$/, 'is not a name at GitHub');
const file = z.string().min(1);
const globs = z.array(z.string().min(1)).min(1);

export const githubSource = z.strictObject({
  owner: name.describe('User or organisation.'),
  repository: name.describe('Repository.'),
  access_token: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'is not a token')
    .optional()
    .describe('Token; needed by put, for private repositories and for more than 60 requests an hour.'),
  github_api_url: apiUrl.optional().describe('Address of the API. Default `https://api.github.com`.'),
  github_uploads_url: apiUrl
    .optional()
    .describe('Address for uploads. Default: as the API, or `https://uploads.github.com`.'),
  github_v4_api_url: apiUrl.optional().describe('Taken and without effect: only the REST API is used.'),
  insecure: z.boolean().optional().describe('Certificates are not verified.'),
  release: z.boolean().optional().describe('Final releases are versions, and put makes them. Default true.'),
  pre_release: z.boolean().optional().describe('Pre-releases are versions; put makes them if release is false.'),
  drafts: z.boolean().optional().describe('Only drafts are versions, and put makes drafts.'),
  semver_constraint: z
    .string()
    .refine((range) => validRange(range) !== null, 'is not a range such as ">= 1.2 < 3"')
    .optional()
    .describe('Only versions in this range.'),
  tag_filter: z
    .string()
    .max(1000)
    .refine(isRegExp, 'is not a valid regular expression')
    .optional()
    .describe('Only tags that match; the first group, or the match, is the version. Default `^v?([^v].*)`.'),
  order_by: z.enum(['version', 'time']).optional().describe('Order of versions. Default `version`.'),
  asset_dir: z.boolean().optional().describe('get writes the assets into the folder `assets`.'),
});
export type GithubSource = z.output<typeof githubSource>;

export const githubGetParams = z.strictObject({
  globs: globs.optional().describe('Only assets whose names match one of these. Default: all.'),
  include_source_tarball: z.boolean().optional().describe('Also `source.tar.gz`.'),
  include_source_zip: z.boolean().optional().describe('Also `source.zip`.'),
});
export type GithubGetParams = z.output<typeof githubGetParams>;

export const githubPutParams = z.strictObject({
  name: file.describe('File with the name of the release.'),
  tag: file.describe('File with the tag.'),
  tag_prefix: z.string().optional().describe("Put before the tag file's text."),
  commitish: file.optional().describe('File with the commit, branch or tag to release. Default: the default branch.'),
  body: file.optional().describe('File with the text of the release.'),
  globs: globs.optional().describe('Files to upload. Other assets of the release are removed.'),
  generate_release_notes: z.boolean().optional().describe('GitHub writes the notes of a new release, behind the body.'),
});
export type GithubPutParams = z.output<typeof githubPutParams>;

function isRegExp(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
