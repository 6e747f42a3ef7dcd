import { z } from 'zod';
import { refusalOf } from './git-config.js';
import { parseRepositoryUri } from './uri.js';

/** A key of Concourse's git resource that is known here and refused, with the reason. */
const refused = (reason: string) =>
  z
    .never({ error: `is not supported: ${reason}` })
    .optional()
    .describe(`Refused: ${reason}.`);

const noVerification = 'commit signatures are not verified';
const noDecryption = 'git-crypt is not run in the server';

const refName = z
  .string()
  .regex(
    /^(?!-|\/|.*(?:\.\.|\/\/|@\{|\/\.|\.lock(?:\/|$)|\/$|\.$))[^\p{Cc} ~^:?*[\\]+$/u,
    'is not a valid name of a branch',
  );
const text = z.string().regex(/^\P{Cc}*$/u, 'must be one line without control characters');
const pathspecs = z.array(text.min(1));
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

const gitSetting = z
  .strictObject({ name: z.string().regex(/^[A-Za-z][A-Za-z0-9-]*\..+$/), value: z.string() })
  .superRefine((setting, context) => {
    const refusal = refusalOf(setting);
    if (refusal !== undefined)
      context.addIssue({ code: 'custom', path: ['name'], message: `"${setting.name}" ${refusal}` });
  });

export const gitSource = z
  .strictObject({
    uri: z
      .string()
      .refine(
        (uri) => parseRepositoryUri(uri) !== undefined,
        'is not an address of a repository (https, ssh, git or file URL, host:path, or an absolute path)',
      )
      .describe('Address of the repository.'),
    branch: refName.optional().describe("Branch to follow. Default: the repository's HEAD. Needed by put."),
    paths: pathspecs.optional().describe('Only commits that change one of these paths (git pathspecs) are versions.'),
    ignore_paths: pathspecs.optional().describe('Commits that change only these paths are no versions.'),
    sparse_paths: pathspecs.optional().describe('get checks out only these paths.'),
    tag_filter: text.min(1).optional().describe('Versions are the tags that match this glob.'),
    tag_regex: regexp.optional().describe('Versions are the tags that match this regular expression as a whole.'),
    tag_behaviour: z.literal('match_tagged').optional().describe('Only `match_tagged`.'),
    fetch_tags: z.boolean().optional().describe('get fetches all tags of the repository.'),
    private_key: z.string().min(1).optional().describe('SSH key.'),
    private_key_user: text.regex(/^[^-]/).optional().describe('User at the SSH host.'),
    private_key_passphrase: z.string().optional().describe('Passphrase of the SSH key.'),
    username: text.optional().describe('User for http(s).'),
    password: text.optional().describe('Password or token for http(s).'),
    submodule_credentials: z
      .array(z.strictObject({ host: text.min(1), username: text, password: text }))
      .optional()
      .describe('User and password per host of http(s) submodules.'),
    version_depth: z.int().min(1).optional().describe('How many versions the first check gives. Default 1.'),
    version_type: z.literal('commits').optional().describe('Only `commits`.'),
    disable_ci_skip: z.boolean().optional().describe('Commits marked `[ci skip]` or `[skip ci]` are versions too.'),
    commit_filter: z
      .strictObject({
        include: z.array(text.min(1)).optional(),
        exclude: z.array(text.min(1)).optional(),
        include_all_match: z.boolean().optional(),
        exclude_all_match: z.boolean().optional(),
      })
      .optional()
      .describe('Basic regular expressions over commit messages: include (one must match), exclude (none may).'),
    skip_ssl_verification: z.boolean().optional().describe('Certificates of http(s) remotes are not verified.'),
    git_config: z.array(gitSetting).optional().describe('Harmless git settings as name and value.'),
    debug: z.boolean().optional().describe('Every git command is shown in the log.'),
    forward_agent: refused('the server has no SSH agent to forward'),
    commit_verification_keys: refused(noVerification),
    commit_verification_key_ids: refused(noVerification),
    gpg_keyserver: refused(noVerification),
    git_crypt_key: refused(noDecryption),
    git_crypt_gpg_key: refused(noDecryption),
    https_tunnel: refused('SSH through an https proxy is not available'),
    search_remote_refs: refused('versions are found on the branch only'),
  })
  .superRefine((source, context) => {
    if (source.tag_filter !== undefined && source.tag_regex !== undefined) {
      context.addIssue({ code: 'custom', path: ['tag_regex'], message: 'cannot be combined with tag_filter' });
    }
    if (source.tag_filter === undefined && source.tag_regex === undefined) return;
    for (const key of ['paths', 'ignore_paths', 'commit_filter'] as const) {
      if (source[key] === undefined) continue;
      context.addIssue({
        code: 'custom',
        path: [key],
        message: 'filters commits and has no meaning when versions are tags',
      });
    }
  });

export type GitSource = z.output<typeof gitSource>;

export const gitGetParams = z.strictObject({
  depth: z.int().min(1).optional().describe('Number of commits of history. Default: all.'),
  fetch: z.array(refName).optional().describe('Further branches to fetch.'),
  all_branches: z.boolean().optional().describe('Fetch every branch.'),
  fetch_tags: z.boolean().optional().describe('true: fetch all tags, false: none. Default: tags of the history.'),
  submodules: z
    .union([z.enum(['all', 'none']), pathspecs], { error: "must be 'all', 'none' or a list of paths" })
    .optional()
    .describe('Which submodules to fetch. Default: all.'),
  submodule_recursive: z.boolean().optional().describe('Submodules of submodules too. Default: true.'),
  submodule_remote: z
    .boolean()
    .optional()
    .describe('Newest commit of the branch in .gitmodules instead of the recorded one.'),
  disable_git_lfs: z
    .literal(true, { error: 'can only be true: Git LFS files are never fetched' })
    .optional()
    .describe('Only true.'),
  clean_tags: z.boolean().optional().describe('Delete all tags after the checkout.'),
  short_ref_format: text
    .regex(/^[^%]*%s[^%]*$/, 'must hold %s once and no other %')
    .optional()
    .describe('Form of `.git/short_ref`. Default `%s`.'),
  timestamp_format: text.min(1).optional().describe("Form of dates, as git's `--date`. Default `iso8601`."),
  describe_ref_options: text.optional().describe('Options of `git describe`. Default `--always --dirty --broken`.'),
});

export type GitGetParams = z.output<typeof gitGetParams>;

export const gitPutParams = z
  .strictObject({
    repository: z.string().min(1).describe('Folder of the repository to push.'),
    rebase: z.boolean().optional().describe('Rebase onto the branch when it has moved, and try again.'),
    rebase_strategy: text
      .regex(/^[a-z-]+$/)
      .optional()
      .describe('Merge strategy of the rebase.'),
    rebase_strategy_option: text
      .regex(/^[a-z][a-z0-9=%-]*$/)
      .optional()
      .describe('Option of that strategy.'),
    merge: z.boolean().optional().describe('Merge the branch when it has moved, and try again.'),
    returning: z
      .enum(['merged', 'unmerged'])
      .optional()
      .describe('With merge: which commit is the version. Default merged.'),
    tag: z.string().min(1).optional().describe('File with the name of a tag to put on the pushed commit.'),
    only_tag: z.boolean().optional().describe('Push tags only.'),
    tag_prefix: text.optional().describe("Put before the tag file's text."),
    annotate: z.string().min(1).optional().describe('File with the message: makes an annotated tag.'),
    force: z.boolean().optional().describe('Overwrite the branch and tags whatever stands there.'),
    branch: refName.optional().describe("Branch to push to. Default: the source's."),
    refs_prefix: refName.optional().describe('Default `refs/heads`.'),
    notes: z.string().min(1).optional().describe('File with a git note for the pushed commit.'),
    push_options: z.array(text.min(1)).optional().describe('Options given to the hooks of the remote.'),
  })
  .superRefine((params, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (params.rebase === true && params.merge === true) refuse('merge', 'cannot be combined with rebase');
    if (params.returning !== undefined && params.merge !== true) refuse('returning', 'needs merge: true');
    for (const key of ['rebase_strategy', 'rebase_strategy_option'] as const) {
      if (params[key] !== undefined && params.rebase !== true) refuse(key, 'needs rebase: true');
    }
    for (const key of ['tag_prefix', 'annotate'] as const) {
      if (params[key] !== undefined && params.tag === undefined) refuse(key, 'needs tag');
    }
  });

export type GitPutParams = z.output<typeof gitPutParams>;
