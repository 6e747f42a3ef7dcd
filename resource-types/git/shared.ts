/**
 * The side door for the types that keep their state in a git repository (semver, pool): how to reach a repository, and
 * a branch to read and change. Nothing else of this folder is meant for others.
 */
import { gitSource } from './schema.js';

export { RemoteBranch, type FileChanges, type GitAccess } from './remote-branch.js';
export { parseRepositoryUri } from './uri.js';
export { readStepFile } from './pushed-repository.js';

const { shape } = gitSource;

/** Keys of a source that say how to reach a repository; the same words mean the same in every type. */
export const gitAccessKeys = {
  uri: shape.uri,
  branch: shape.branch.unwrap().describe('Branch to work on. It must exist.'),
  private_key: shape.private_key,
  private_key_user: shape.private_key_user,
  private_key_passphrase: shape.private_key_passphrase,
  username: shape.username,
  password: shape.password,
  git_config: shape.git_config,
  skip_ssl_verification: shape.skip_ssl_verification,
  forward_agent: shape.forward_agent,
  https_tunnel: shape.https_tunnel,
  debug: shape.debug,
};
