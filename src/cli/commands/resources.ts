import { Command } from 'commander';
import { count, place, say, show, versionPart, type Cli, type Place } from '../cli.js';
import { route, type ApiClient } from '../client.js';
import { pausedWords, table, time, version, yesNo } from '../format.js';
import { CliError, type Paint } from '../io.js';
import type { WireBuild, WireResource, WireVersion } from '../wire.js';
import { sayBegun, watchBuild } from './watch.js';

interface ResourceOptions {
  readonly resource: Place;
  readonly version: Readonly<Record<string, string>>;
  readonly from?: Readonly<Record<string, string>>;
  readonly comment?: string;
  readonly reason?: string;
  readonly count: number;
  readonly async?: boolean;
  readonly shallow?: boolean;
}

/** Resources and their versions: look, check, pause, pin, disable. */
export function resourceCommands(cli: Cli): Command[] {
  return [
    new Command('resources')
      .alias('rs')
      .description('list the resources of a pipeline')
      .requiredOption('-p, --pipeline <name>', 'the pipeline')
      .action(async (options: { pipeline: string }, command: Command) => {
        const client = await cli.connect(command);
        const resources = await client.get<WireResource[]>(client.pipeline(options.pipeline, '/resources'));
        show(cli, resources, () => resourceTable(cli.paint, resources));
      }),
    check(cli, onResource('check-resource', 'look for new versions now').alias('cr'), 'resources'),
    check(
      cli,
      new Command('check-resource-type')
        .alias('crt')
        .description('look for new versions of a resource type now')
        .requiredOption('-r, --resource-type <pipeline/type>', 'the resource type', place),
      'resource-types',
    ),
    pause(cli, 'pause-resource', 'no check brings new versions until it is unpaused', 'pause'),
    pause(cli, 'unpause-resource', 'let a resource be checked', 'unpause'),
    onResource('versions', 'list the versions of a resource, newest first')
      .aliases(['resource-versions', 'rvs'])
      .option('-c, --count <number>', 'at most so many', count, 50)
      .action(async (options: ResourceOptions, command: Command) => {
        const client = await cli.connect(command);
        const [{ pinned_version: pinned }, versions] = await Promise.all([
          client.get<WireResource>(pathOf(client, options.resource)),
          client.get<WireVersion[]>(pathOf(client, options.resource, `/versions?limit=${options.count}`)),
        ]);
        show(cli, versions, () => versionTable(cli.paint, versions, pinned));
      }),
    onVersion('pin', 'let every job use exactly this version')
      .aliases(['pin-resource', 'pr'])
      .option('-c, --comment <text>', 'why; shown to everybody')
      .option('--reason <text>', 'the same')
      .action(async ({ resource, version: part, comment, reason }: ResourceOptions, command: Command) => {
        const client = await cli.connect(command);
        const found = await findVersion(client, resource, part);
        await client.send('PUT', pathOf(client, resource, `/versions/${found.id}/pin`), { reason: comment ?? reason });
        say(cli, `pinned ${resource.pipeline}/${resource.name} to ${version(found.version)}`);
      }),
    onResource('unpin', 'let jobs use the newest version again')
      .aliases(['unpin-resource', 'ur'])
      .action(async ({ resource }: ResourceOptions, command: Command) => {
        const client = await cli.connect(command);
        await client.send('PUT', pathOf(client, resource, '/unpin'));
        say(cli, `unpinned ${resource.pipeline}/${resource.name}`);
      }),
    mark(cli, 'enable', 'erv', 'let jobs use a version again', true),
    mark(cli, 'disable', 'drv', 'let no job use a version from now on', false),
  ];
}

function onResource(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption('-r, --resource <pipeline/resource>', 'the resource', place);
}

function check(cli: Cli, command: Command, kind: 'resources' | 'resource-types'): Command {
  return command
    .option('-f, --from <key:value>', 'from this version on', versionPart)
    .option('--shallow', 'leave the types that it needs as they are')
    .option('-a, --async', 'do not wait for the result')
    .action(async (options: ResourceOptions & { resourceType?: Place }) => {
      const { from, shallow, async: isAsync, resourceType } = options;
      const resource = resourceType ?? options.resource;
      const client = await cli.connect(command);
      const path = client.pipeline(resource.pipeline, `/${kind}` + route`/${resource.name}/check`);
      const build = await client.send<WireBuild>('POST', path, { from: from ?? null, shallow: shallow === true });
      sayBegun(cli, `checking ${resource.pipeline}/${resource.name} in build ${build.id}`, build);
      if (!isAsync) cli.exitCode = await watchBuild(cli, client, build.id);
    });
}

function onVersion(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption('-r, --resource <pipeline/resource>', 'the resource', place)
    .requiredOption('-v, --version <key:value>', 'part of the version; may be given again', versionPart);
}

function pause(cli: Cli, name: string, description: string, verb: 'pause' | 'unpause'): Command {
  const command = onResource(name, description);
  if (verb === 'pause') command.option('--reason <text>', 'why; shown to everybody');
  return command.action(async ({ resource, reason }: ResourceOptions) => {
    const client = await cli.connect(command);
    await client.send('PUT', pathOf(client, resource, `/${verb}`), verb === 'pause' ? { reason } : undefined);
    say(cli, `resource ${resource.pipeline}/${resource.name} ${verb}d`);
  });
}

function mark(cli: Cli, verb: 'enable' | 'disable', alias: string, description: string, enabled: boolean): Command {
  const command = onVersion(verb, description).aliases([`${verb}-resource-version`, alias]);
  if (!enabled) command.option('--reason <text>', 'why; shown to everybody');
  return command.action(async ({ resource, version: part, reason }: ResourceOptions) => {
    const client = await cli.connect(command);
    const found = await findVersion(client, resource, part);
    const what = `${version(found.version)} of ${resource.pipeline}/${resource.name}`;
    if (found.enabled === enabled) return say(cli, `${what} is ${verb}d already`);
    await client.send(
      'PUT',
      pathOf(client, resource, `/versions/${found.id}/${verb}`),
      enabled ? undefined : { reason },
    );
    say(cli, `${verb}d ${what}`);
  });
}

function pathOf(client: ApiClient, { pipeline, name }: Place, rest = ''): string {
  return client.pipeline(pipeline, route`/resources/${name}` + rest);
}

/** The newest version with these keys and values. */
async function findVersion(
  client: ApiClient,
  resource: Place,
  part: Readonly<Record<string, string>>,
): Promise<WireVersion> {
  const filter = Object.entries(part).map(([key, value]) => route`filter=${`${key}:${value}`}`);
  const [found] = await client.get<WireVersion[]>(pathOf(client, resource, `/versions?limit=1&${filter.join('&')}`));
  if (found) return found;
  throw new CliError(
    `${resource.pipeline}/${resource.name} has no version ${version(part)}: \`weir versions -r ${resource.pipeline}/${resource.name}\` lists them`,
  );
}

function resourceTable(paint: Paint, resources: readonly WireResource[]): string {
  return table(
    paint,
    ['name', 'type', 'last checked', 'check', 'paused', 'pinned'],
    resources.map((r) => [
      r.name,
      r.type,
      time(r.last_checked),
      r.check_error === undefined
        ? r.last_checked === undefined
          ? 'n/a'
          : 'ok'
        : paint('red', r.check_error.split('\n')[0] ?? ''),
      r.paused ? paint('cyan', `yes${pausedWords(r.paused_by, r.paused_at, r.pause_reason)}`) : 'no',
      r.pinned_version
        ? `${version(r.pinned_version)}${r.pinned_in_config ? ' (config)' : ''}${r.pin_comment ? `: ${r.pin_comment}` : ''}`
        : '',
    ]),
  );
}

function versionTable(
  paint: Paint,
  versions: readonly WireVersion[],
  pinned: WireVersion['version'] | undefined,
): string {
  const isPinned = (v: WireVersion): boolean =>
    pinned !== undefined && Object.entries(pinned).every(([key, value]) => v.version[key] === value);
  return table(
    paint,
    ['id', 'version', 'enabled', 'pinned', 'metadata'],
    versions.map((v) => [
      String(v.id),
      version(v.version),
      v.enabled ? 'yes' : paint('red', `no${pausedWords(v.disabled_by, undefined, v.disabled_reason)}`),
      isPinned(v) ? yesNo(paint, true) : '',
      (v.metadata ?? [])
        .map(({ name, value }) => `${name}: ${value.split('\n')[0] ?? ''}`)
        .join(', ')
        .slice(0, 80),
    ]),
  );
}
