import { Command } from 'commander';
import type { Cli } from '../cli.js';
import { ApiClient, route } from '../client.js';
import { table, time } from '../format.js';
import { CliError } from '../io.js';
import { chooseTarget, cleanUrl, DEFAULT_URL, readTargets, saveTarget } from '../targets.js';

interface LoginOptions {
  readonly target?: string;
  readonly team?: string;
  readonly url?: string;
  readonly user?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
}
interface User {
  readonly name: string;
  readonly teams: Readonly<Record<string, readonly string[]>> | null;
}

/** `login`, `logout`, `status`, `targets`. */
export function loginCommands(cli: Cli): Command[] {
  const login = new Command('login')
    .alias('l')
    .description('log in to a server and remember it in ~/.weirrc')
    .argument('[url]', `address of the server (default: the target's, else ${DEFAULT_URL})`)
    .option('-c, --url <url>', 'the same, as fly writes it')
    .option('-u, --user <name>', 'user name')
    .option(
      '-p, --password <password>',
      'password; others can see it in the list of processes: WEIR_PASSWORD, --password-stdin or a question are better',
    )
    .option('--password-stdin', 'read the password from standard input')
    .action(async (url: string | undefined, _options: unknown, command: Command) => {
      await logIn(cli, { ...command.optsWithGlobals<LoginOptions>(), ...(url === undefined ? {} : { url }) });
    });
  const logout = new Command('logout')
    .alias('o')
    .description('end the login on the server and forget it here')
    .action(async (_options: unknown, command: Command) => logOut(cli, command));
  const status = new Command('status')
    .description('show the server, who is logged in and whether all is well')
    .option('--json', 'for programs')
    .action(async (options: { json?: boolean }, command: Command) => showStatus(cli, options.json, command));
  const targets = new Command('targets')
    .alias('ts')
    .description('list the servers in ~/.weirrc')
    .option('--json', 'for programs; without tokens')
    .action(async (options: { json?: boolean }) => listTargets(cli, options.json));
  return [login, logout, status, targets];
}

async function logIn(cli: Cli, options: LoginOptions): Promise<void> {
  const { io } = cli;
  const name = options.target ?? 'default';
  const known = (await readTargets(io)).targets[name];
  const url = cleanUrl(options.url ?? known?.url ?? DEFAULT_URL);
  const team = options.team ?? known?.team ?? 'main';
  const user = options.user ?? (io.isInteractive ? (await io.ask('user [admin]: ')).trim() || 'admin' : undefined);
  if (user === undefined) throw new CliError('which user? pass -u NAME');
  const password = await readPassword(cli, options);
  const token = await fetchToken(url, user, password);
  const { name: shownName, teams } = await new ApiClient(url, team, token).get<User>('/api/v1/user');
  if (!teams || !(team in teams)) throw new CliError(`user ${shownName} is not in team "${team}"`);
  await saveTarget(io, name, { url, team, token });
  io.out(`logged in to ${url} as ${shownName}, team ${team}; target ${name}\n`);
}

async function readPassword({ io }: Cli, options: LoginOptions): Promise<string> {
  if (options.password !== undefined) return options.password;
  if (options.passwordStdin) return (await io.readAll()).replace(/\r?\n$/, '');
  if (io.env.WEIR_PASSWORD) return io.env.WEIR_PASSWORD;
  if (!io.isInteractive) throw new CliError('which password? set WEIR_PASSWORD or pass --password-stdin');
  return io.ask('password: ', { hidden: true });
}

/** OAuth's password grant, as `fly` does it. */
async function fetchToken(url: string, username: string, password: string): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'password',
    username,
    password,
    scope: 'openid profile email federated:id groups',
  });
  let response: Response;
  try {
    response = await fetch(`${url}/sky/issuer/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('fly:Zmx5').toString('base64')}`, accept: 'application/json' },
      body: form,
    });
  } catch {
    throw new CliError(`no answer from ${url}: is the server running (\`weir serve\`)?`);
  }
  const text = await response.text();
  const answer = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, string | undefined>;
  if (!response.ok || answer.access_token === undefined) {
    throw new CliError(
      `login refused: ${answer.error_description ?? answer.message ?? `status ${response.status} from ${url}; is it a Weir server?`}`,
    );
  }
  return answer.access_token;
}

async function logOut(cli: Cli, command: Command): Promise<void> {
  const { url, team, token, name } = await chooseTarget(cli.io, command.optsWithGlobals());
  if (token === undefined) throw new CliError(`not logged in to ${url}`);
  // Like fly: the token goes in a cookie.
  const response = await fetch(`${url}/sky/logout`, { headers: { cookie: `skymarshal_auth="bearer ${token}"` } }).catch(
    () => undefined,
  );
  if (name !== undefined) await saveTarget(cli.io, name, { url, team });
  if (response?.ok || response?.status === 401) cli.io.out(`logged out of ${url}\n`);
  else throw new CliError(`forgot the login here, but ${url} could not be told: the token stays good until it expires`);
}

async function showStatus(cli: Cli, asJson: boolean | undefined, command: Command): Promise<void> {
  const client = await cli.connect(command);
  const info = await client.get<{ version: string; weir_version?: string; cluster_name?: string }>('/api/v1/info');
  const health = await healthOf(client);
  const user = await client.get<User>('/api/v1/user');
  const value = {
    url: client.url,
    team: client.team,
    user: user.name,
    version: info.weir_version,
    concourse_version: info.version,
    health,
  };
  const name = info.cluster_name ? ` (${info.cluster_name})` : '';
  const text = `${client.url}${name}: Weir ${info.weir_version ?? '?'}, ${health}\nlogged in as ${user.name}, team ${client.team}\n`;
  cli.io.out(asJson ? `${JSON.stringify(value, null, 2)}\n` : text);
}

async function healthOf(client: ApiClient): Promise<string> {
  const response = await fetch(client.url + route`/api/v1/health`);
  return ((await response.json()) as { status: string }).status;
}

async function listTargets(cli: Cli, asJson: boolean | undefined): Promise<void> {
  const { current, targets } = await readTargets(cli.io);
  const rows = Object.entries(targets).map(([name, { url, team, token }]) => ({
    name,
    url,
    team,
    current: name === current,
    expires: token === undefined ? undefined : expiryOf(token),
  }));
  const text = (): string =>
    table(
      cli.paint,
      ['name', 'url', 'team', 'login expires', ''],
      rows.map(({ name, url, team, expires, current: isCurrent }) => [
        name,
        url,
        team,
        expires === undefined ? 'logged out' : time(expires),
        isCurrent ? 'current' : '',
      ]),
    );
  cli.io.out(asJson ? `${JSON.stringify(rows, null, 2)}\n` : text());
}

/** The last eight bytes of a token are its expiry in unix seconds. */
function expiryOf(token: string): number | undefined {
  const bytes = Buffer.from(token, 'base64');
  return bytes.length === 28 ? Number(bytes.readBigUInt64LE(20)) : undefined;
}
