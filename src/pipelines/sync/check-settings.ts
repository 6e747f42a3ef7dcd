import picomatch from 'picomatch';
import type { SourceSettings } from '../../persistence/index.js';
import { UserError } from '../../platform/index.js';
import { checkPipelineName } from '../set-pipeline.js';
import type { SourceCredentials } from './types.js';

/** Refuses settings that cannot work or that would let a secret leak. @throws UserError `invalid-source`. */
export function checkSettings(name: string, settings: SourceSettings): void {
  checkPipelineName(name); // a `pipeline.yml` takes the source's name
  const fault =
    uriFault(settings.uri) ??
    branchFault(settings.branch) ??
    globFault(settings.pathGlob) ??
    credentialsFault(settings.credentials, settings.uri) ??
    (Number.isInteger(settings.intervalSeconds) && settings.intervalSeconds > 0
      ? undefined
      : 'the interval must be a whole number of seconds above 0');
  if (fault !== undefined) throw new UserError('invalid-source', fault);
}

const TRANSPORTS = ['http:', 'https:', 'ssh:', 'git:', 'file:'];
const SSH_SHORT_FORM = /^[^\s/:@-][^\s/:@]*@[^\s/:@-][^\s/:@]*:[^\s].*$/;

function uriFault(uri: string): string | undefined {
  if (uri === '') return 'a source needs the uri of a git repository';
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(uri)) return 'the uri holds control characters';
  if (uri.startsWith('/') || SSH_SHORT_FORM.test(uri)) return undefined;
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url === undefined || !TRANSPORTS.includes(url.protocol)) {
    return 'the uri must be https://…, http://…, ssh://…, git://…, file://…, user@host:path or an absolute path';
  }
  if (url.password !== '' || (url.username !== '' && url.protocol !== 'ssh:')) {
    return 'the uri must not hold a user or password: give them as credentials';
  }
  return url.hostname.startsWith('-') ? 'the uri names no host' : undefined;
}

function branchFault(branch: string | null): string | undefined {
  if (branch === null) return undefined;
  // What git itself forbids in a branch name, and what would be an option.
  // eslint-disable-next-line no-control-regex
  const isWrong = branch === '' || /^[-/]|\.\.|@\{|[\u0000-\u0020\u007f~^:?*[\\]|[/.]$|\.lock$/.test(branch);
  return isWrong ? `'${branch}' is not the name of a branch` : undefined;
}

function globFault(glob: string): string | undefined {
  if (glob === '' || glob.startsWith('/') || glob.split('/').includes('..')) {
    return 'the path glob must lead from the top of the repository to files in it, for example ci/pipelines/*.yml';
  }
  try {
    picomatch.makeRe(glob, { debug: true });
    return undefined;
  } catch {
    return `'${glob}' is not a glob`;
  }
}

function credentialsFault(
  { private_key: key, username, password }: SourceCredentials,
  uri: string,
): string | undefined {
  if (key !== undefined && (username !== undefined || password !== undefined)) {
    return 'credentials are either a private key or a username and password';
  }
  if (username !== undefined && password === undefined) return 'credentials have a username but no password';
  const isHttp = /^https?:/i.test(uri);
  if (password !== undefined && !isHttp) return 'a username and password need an https:// uri';
  return key !== undefined && isHttp ? 'a private key needs an ssh:// or user@host:path uri' : undefined;
}
