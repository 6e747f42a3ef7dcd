import { Command } from 'commander';
import { browserToken } from '../browser-login.js';
import { say, show, type Cli } from '../cli.js';
import { ApiClient } from '../client.js';
import { table } from '../format.js';
import { CliError } from '../io.js';
import { chooseTarget, cleanUrl, DEFAULT_URL, readTargets, saveTarget, writeTargets } from '../targets.js';
import type { TlsOptions } from '../tls-fetch.js';
import { readText } from '../vars.js';

interface LoginOptions {
  readonly target?: string;
  readonly team?: string;
  readonly teamName?: string;
  readonly url?: string;
  readonly user?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly token?: string;
  readonly openBrowser?: boolean;
  readonly caCert?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly insecure?: boolean;
}

interface WireUser {
  readonly name: string;
  readonly connector?: string;
  readonly is_admin?: boolean;
  readonly teams: Readonly<Record<string, readonly string[]>> | null;
}

/** `login`, `logout`, `status`, `userinfo`. */
export function loginCommands(cli: Cli): Command[] {
  return [
    loginCommand(cli),
    new Command('logout')
      .alias('o')
      .description('end the login on the server and forget it here')
      .option('-a, --all', 'of all targets')
      .action(async ({ all }: { all?: boolean }, command: Command) => {
        const names = all ? Object.keys((await readTargets(cli.io)).targets) : [undefined];
        for (const name of names)
          await logOut(cli, { ...command.optsWithGlobals(), ...(name === undefined ? {} : { target: name }) }, all);
        if (all) say(cli, `logged out of ${names.length === 1 ? 'one target' : `${names.length} targets`}`);
      }),
    new Command('status')
      .description('show the server, who is logged in and whether all is well; exits with 1 when not logged in')
      .action(async (_options: unknown, command: Command) => showStatus(cli, command)),
    new Command('userinfo')
      .description('show who is logged in, and their roles')
      .action(async (_options: unknown, command: Command) => {
        const client = await cli.connect(command);
        const user = await client.get<WireUser>('/api/v1/user');
        const rows = Object.entries(user.teams ?? {}).map(([team, roles]) => `${team}: ${roles.join(', ')}`);
        show(cli, user, () =>
          table(
            cli.paint,
            ['username', 'login', 'administrator', 'team roles'],
            [[user.name, user.connector ?? '', user.is_admin ? 'yes' : 'no', rows.join('; ')]],
          ),
        );
      }),
  ];
}

function loginCommand(cli: Cli): Command {
  return new Command('login')
    .alias('l')
    .description('log in to a server and remember it in ~/.weirrc; without -u with your browser')
    .argument('[url]', `address of the server (default: the target's, else ${DEFAULT_URL})`)
    .option('-c, --url <url>', 'the same')
    .option('--concourse-url <url>', 'the same, as fly writes it')
    .option('-n, --team-name <team>', 'the team of this target (default: main)')
    .option('-u, --user <name>', 'log in with a password, as this user')
    .option('--username <name>', 'the same, as fly writes it')
    .option(
      '-p, --password <password>',
      'password; others can see it in the list of processes: WEIR_PASSWORD, --password-stdin or a question are better',
    )
    .option('--password-stdin', 'read the password from standard input')
    .option('--token <token>', 'use a token that `weir tokens create` made, instead of logging in')
    .option('-b, --open-browser', 'open the browser for it')
    .option('--ca-cert <file>', "trust servers with this certificate, or signed by it, besides the machine's")
    .option('--client-cert <file>', 'show this certificate to the server')
    .option('--client-key <file>', 'key of --client-cert')
    .option('-k, --insecure', 'believe whoever answers at the address: anybody between can read along')
    .action(async (url: string | undefined, _options: unknown, command: Command) => {
      const { concourseUrl, username, ...options } = command.optsWithGlobals<
        LoginOptions & { concourseUrl?: string; username?: string }
      >();
      const [at, user] = [url ?? options.url ?? concourseUrl, options.user ?? username];
      await logIn(cli, {
        ...options,
        ...(at === undefined ? {} : { url: at }),
        ...(user === undefined ? {} : { user }),
      });
    });
}

async function logIn(cli: Cli, options: LoginOptions): Promise<void> {
  const { io } = cli;
  const name = options.target ?? 'default';
  const known = (await readTargets(io)).targets[name];
  const url = cleanUrl(options.url ?? known?.url ?? DEFAULT_URL);
  const team = options.teamName ?? options.team ?? known?.team ?? 'main';
  const tls = (await tlsOf(options)) ?? (url === known?.url ? known.tls : undefined);
  const token = await tokenFor(cli, new ApiClient(url, team, undefined, tls), options);
  const client = new ApiClient(url, team, token, tls);
  const { name: user, teams, is_admin: isAdmin } = await client.get<WireUser>('/api/v1/user');
  if (isAdmin) await client.get(client.teamPath);
  else if (!teams || !(team in teams)) throw new CliError(`user ${user} is not in team "${team}"`);
  await saveTarget(io, name, { url, team, token, ...(tls ? { tls } : {}) });
  say(cli, `logged in to ${url} as ${user}, team ${team}; target ${name}`, { target: name, url, team, user });
}

/** @returns undefined when nothing is asked for. */
async function tlsOf({ caCert, clientCert, clientKey, insecure }: LoginOptions): Promise<TlsOptions | undefined> {
  if ((clientCert === undefined) !== (clientKey === undefined))
    throw new CliError('--client-cert and --client-key go together');
  if (caCert === undefined && clientCert === undefined && !insecure) return undefined;
  return {
    ...(caCert === undefined ? {} : { ca: await readText(caCert) }),
    ...(clientCert === undefined ? {} : { cert: await readText(clientCert) }),
    ...(clientKey === undefined ? {} : { key: await readText(clientKey) }),
    ...(insecure ? { rejectUnauthorized: false } : {}),
  };
}

async function tokenFor(cli: Cli, client: ApiClient, options: LoginOptions): Promise<string> {
  const { io } = cli;
  if (options.token !== undefined) return options.token.replace(/^bearer\s+/i, '');
  if (options.user !== undefined) return passwordGrant(client, options.user, await readPassword(cli, options));
  if (!io.isInteractive && !options.openBrowser)
    throw new CliError('which user? pass -u NAME, or --token, or -b to log in with a browser on this machine');
  await client.get('/api/v1/info'); // nobody is sent to a page that is not there
  return browserToken(cli, client.url, options.openBrowser === true);
}

async function readPassword({ io }: Cli, options: LoginOptions): Promise<string> {
  if (options.password !== undefined) return options.password;
  if (options.passwordStdin) return (await io.readAll()).replace(/\r?\n$/, '');
  if (io.env.WEIR_PASSWORD) return io.env.WEIR_PASSWORD;
  if (!io.isInteractive) throw new CliError('which password? set WEIR_PASSWORD or pass --password-stdin');
  return io.ask('password: ', { hidden: true });
}

/** OAuth's password grant, as `fly` does it. */
async function passwordGrant(client: ApiClient, username: string, password: string): Promise<string> {
  const { url } = client;
  const response = await client.fetch('POST', '/sky/issuer/token', {
    headers: { authorization: `Basic ${Buffer.from('fly:Zmx5').toString('base64')}`, accept: 'application/json' },
    body: new URLSearchParams({
      grant_type: 'password',
      username,
      password,
      scope: 'openid profile email federated:id groups',
    }),
  });
  const text = await response.text();
  const answer = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, string | undefined>;
  if (!response.ok || answer.access_token === undefined) {
    throw new CliError(
      `login refused: ${answer.error_description ?? answer.message ?? `status ${response.status} from ${url}; is it a Weir server?`}`,
    );
  }
  return answer.access_token;
}

/** @param isQuiet one of many: those that are logged out already are none of them. */
async function logOut(cli: Cli, choice: { readonly target?: string }, isQuiet = false): Promise<void> {
  const { url, team, token, tls, name } = await chooseTarget(cli.io, choice);
  if (token === undefined) {
    if (isQuiet) return;
    throw new CliError(`not logged in to ${url}`);
  }
  // Like fly: the token goes in a cookie.
  const response = await new ApiClient(url, team, undefined, tls)
    .fetch('GET', '/sky/logout', { headers: { cookie: `skymarshal_auth="bearer ${token}"` } })
    .catch(() => undefined);
  if (name !== undefined) await forgetToken(cli, name);
  if (!response?.ok && response?.status !== 401)
    throw new CliError(`forgot the login here, but ${url} could not be told: the token stays good until it expires`);
  if (!isQuiet) say(cli, `logged out of ${url}`);
}

async function forgetToken({ io }: Cli, name: string): Promise<void> {
  const file = await readTargets(io);
  const found = file.targets[name];
  if (!found) return;
  const { token: _, ...kept } = found;
  await writeTargets(io, { ...file, targets: { ...file.targets, [name]: kept } });
}

async function showStatus(cli: Cli, command: Command): Promise<void> {
  const client = await cli.connect(command);
  const info = await client.get<{ version: string; weir_version?: string; cluster_name?: string }>('/api/v1/info');
  const { status: health } = (await (await client.fetch('GET', '/api/v1/health')).json()) as { status: string };
  const user = await client.get<WireUser>('/api/v1/user');
  const value = {
    url: client.url,
    team: client.team,
    user: user.name,
    version: info.weir_version,
    concourse_version: info.version,
    health,
  };
  const name = info.cluster_name ? ` (${info.cluster_name})` : '';
  show(
    cli,
    value,
    () =>
      `${client.url}${name}: Weir ${info.weir_version ?? '?'}, ${health}\nlogged in as ${user.name}, team ${client.team}\n`,
  );
}
