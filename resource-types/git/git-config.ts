/** One pair of `git_config`. */
export interface GitSetting {
  readonly name: string;
  readonly value: string;
}

/**
 * What a pipeline may configure. git runs in the server, so this is a list of what is known to be harmless: many other
 * settings name a program to run (`core.sshCommand`, filters, hooks) or a file of the server to read or send.
 */
const ALLOWED = [
  /^(user|author|committer)\.(name|email)$/,
  /^core\.(abbrev|autocrlf|bigfilethreshold|compression|deltabasecachelimit|eol|ignorecase|loosecompression|longpaths|packedgitlimit|packedgitwindowsize|precomposeunicode|protecthfs|protectntfs|quotepath|safecrlf|symlinks|whitespace)$/,
  /^(advice|checkout|fetch|gc|index|pack|pull|push|rebase|transfer|feature)\.[a-z]+$/,
  /^(diff|merge)\.(algorithm|conflictstyle|ff|renames|renamelimit|directoryrenames|indentheuristic)$/,
  /^http\.(.+\.)?(lowspeedlimit|lowspeedtime|postbuffer|version|useragent|maxrequests|proxy|sslverify|sslversion|extraheader|emptyauth)$/,
  /^protocol\.version$/,
  /^submodule\.(fetchjobs|recurse)$/,
  /^url\..+\.(push)?insteadof$/,
  /^lfs\..*$/,
  /^color\.[a-z]+$/,
];

/** Why a setting is refused; undefined when it is fine. */
export function refusalOf(setting: GitSetting): string | undefined {
  const name = setting.name.toLowerCase();
  if (/\p{Cc}/u.test(setting.name) || setting.value.includes('\0')) return 'holds a control character';
  if (!ALLOWED.some((pattern) => pattern.test(name))) {
    return 'is not a setting pipelines may change: it could run programs or read files in the server';
  }
  if (/:\/\/[^/@]*:[^/@]*@/.test(setting.name)) return 'holds a password: use username and password';
  return undefined;
}

/** Text of a git configuration file; every value is quoted, so no value can begin a new setting. */
export function renderGitConfig(settings: readonly GitSetting[]): string {
  return settings.map(renderSetting).join('');
}

function renderSetting({ name, value }: GitSetting): string {
  const first = name.indexOf('.');
  const last = name.lastIndexOf('.');
  const subsection = first === last ? '' : ` "${name.slice(first + 1, last).replaceAll(/["\\]/g, '\\$&')}"`;
  const quoted = value.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n');
  return `[${name.slice(0, first)}${subsection}]\n\t${name.slice(last + 1)} = "${quoted}"\n`;
}
