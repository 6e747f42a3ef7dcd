import { z } from 'zod';
import { refusalOf } from './git-config.js';
import { parseRepositoryUri } from './uri.js';

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

const isSshAddress = (url: string): boolean => {
  const parsed = parseRepositoryUri(url);
  return (
    parsed?.host !== undefined && /^[^"\s]+$/.test(url) && (url.startsWith('ssh://') || !/^[a-z]+:\/\//i.test(url))
  );
};

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
    tag_behaviour: z
      .enum(['match_tagged', 'match_tag_ancestors'])
      .optional()
      .describe(
        'With tag_filter or tag_regex. `match_tagged`: versions are the tags; `match_tag_ancestors`: the commits up to the newest matching tag. Default `match_tagged`.',
      ),
    fetch_tags: z.boolean().optional().describe('get fetches all tags of the repository. Default: as the get param.'),
    private_key: z.string().min(1).optional().describe('SSH key.'),
    private_key_user: text.regex(/^[^-]/).optional().describe('User at the SSH host.'),
    private_key_passphrase: z.string().optional().describe('Passphrase of the SSH key.'),
    username: text.optional().describe('User for http(s).'),
    password: text.optional().describe('Password or token for http(s).'),
    submodule_credentials: z
      .array(
        z.union([
          z.strictObject({
            host: text.min(1).describe('Host of http(s) submodules.'),
            username: text.describe('User there.'),
            password: text.describe('Password or token there.'),
          }),
          z.strictObject({
            url: text
              .refine(isSshAddress, 'is not an address by SSH, such as git@host:path')
              .describe('Address of SSH submodules, or how it begins, as in `.gitmodules`.'),
            private_key: z.string().min(1).describe('SSH key there.'),
            private_key_passphrase: z.string().optional().describe('Passphrase of that key.'),
          }),
        ]),
      )
      .optional()
      .describe(
        'For submodules elsewhere: `host`, `username`, `password` for http(s); `url`, `private_key`, `private_key_passphrase` for SSH.',
      ),
    version_depth: z.int().min(1).optional().describe('How many versions the first check gives. Default 1.'),
    version_type: z
      .enum(['commits', 'tags', 'branches'])
      .optional()
      .describe(
        'What versions are: `commits`, `tags`, or `branches`: the set of branches, which get writes to `branches.json`. Default `commits`.',
      ),
    branch_regex: regexp
      .optional()
      .describe('With version_type `branches`: only branches whose whole name matches. Extension of Weir.'),
    disable_ci_skip: z.boolean().optional().describe('Commits marked `[ci skip]` or `[skip ci]` are versions too.'),
    commit_filter: z
      .strictObject({
        include: z.array(text.min(1)).optional().describe('Of these one must match.'),
        exclude: z.array(text.min(1)).optional().describe('Of these none may match.'),
        include_all_match: z.boolean().optional().describe('All of include must match.'),
        exclude_all_match: z.boolean().optional().describe('Only what matches all of exclude is left out.'),
      })
      .optional()
      .describe('Basic regular expressions over commit messages: include (one must match), exclude (none may).'),
    skip_ssl_verification: z.boolean().optional().describe('Certificates of http(s) remotes are not verified.'),
    git_config: z.array(gitSetting).optional().describe('Harmless git settings as name and value.'),
    debug: z.boolean().optional().describe('Every git command is shown in the log.'),
    forward_agent: z
      .boolean()
      .optional()
      .describe(
        'The SSH key is forwarded to the host by an agent that lives as long as the command. Needs private_key.',
      ),
    https_tunnel: z
      .strictObject({
        proxy_host: text.regex(/^[^-]/).describe('Host of the proxy.'),
        proxy_port: z
          .union([z.int(), z.string().regex(/^\d+$/)])
          .refine((port) => +port > 0 && +port < 65_536, 'is not a port')
          .describe('Its port.'),
        proxy_user: text.optional().describe('User, if the proxy wants one.'),
        proxy_password: text.optional().describe('Password of that user.'),
      })
      .optional()
      .describe('Proxy (HTTP CONNECT) for SSH: `proxy_host`, `proxy_port`, `proxy_user`, `proxy_password`.'),
    search_remote_refs: z
      .boolean()
      .optional()
      .describe('Changes nothing: get finds a commit of any reference of the remote by its sha.'),
    commit_verification_keys: z
      .array(z.string().min(1))
      .optional()
      .describe('get fails unless the commit (or the tag) is signed with one of these public GPG keys. Needs gpg.'),
    commit_verification_key_ids: z
      .array(z.string().regex(/^(?:0x)?[0-9a-f]{8,40}$/i, 'is not the id of a GPG key'))
      .optional()
      .describe('The same with keys from gpg_keyserver: fingerprints, or long or short ids.'),
    gpg_keyserver: z
      .string()
      .regex(/^(?!-)(?:(?:hkps?|https?|ldaps?):\/\/)?[\w.[\]:/-]+$/i, 'is not the address of a key server')
      .optional()
      .describe("Where these keys are. Default: gpg's own."),
    git_crypt_key: z
      .base64()
      .min(1)
      .optional()
      .describe('get decrypts the files with this key of git-crypt, in base64. Needs git-crypt.'),
    git_crypt_gpg_key: z
      .string()
      .min(1)
      .optional()
      .describe('The same with a private GPG key (armoured, without passphrase) that the repository knows.'),
  })
  .superRefine((source, context) => {
    const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    const isFiltered = source.tag_filter !== undefined || source.tag_regex !== undefined;
    if (source.tag_filter !== undefined && source.tag_regex !== undefined)
      refuse('tag_regex', 'cannot be combined with tag_filter');
    if (source.tag_behaviour === 'match_tag_ancestors' && !isFiltered)
      refuse('tag_behaviour', 'needs tag_filter or tag_regex');
    if (source.tag_behaviour === 'match_tag_ancestors' && source.version_type === 'tags')
      refuse('tag_behaviour', 'makes versions of commits: cannot be combined with version_type tags');
    if (source.branch_regex !== undefined && source.version_type !== 'branches')
      refuse('branch_regex', 'needs version_type branches');
    if (source.forward_agent === true && source.private_key === undefined)
      refuse('forward_agent', "needs private_key: the server's own agent is not lent");
    if (source.version_type !== 'branches') return;
    for (const key of ['tag_filter', 'tag_regex', 'paths', 'ignore_paths', 'commit_filter', 'branch'] as const)
      if (source[key] !== undefined) refuse(key, 'has no meaning when versions are the set of branches');
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
    .boolean()
    .optional()
    .describe('Files of Git LFS stay pointers; so they do, with a warning, where git-lfs is not installed.'),
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
