import { setTimeout as wait } from 'node:timers/promises';
import { Command } from 'commander';
import { place, type Cli, type Place } from '../cli.js';
import { Refused, route, type ApiClient } from '../client.js';
import { status as colourStatus } from '../format.js';
import { CliError, type Paint } from '../io.js';
import { readWebUrl, type Shown } from '../web-url.js';
import type { WireBuild, WireEvent, WireJob } from '../wire.js';

const RECONNECT_MS = 1_000;
const PASSING_STATUSES = [0, 500, 502, 503, 504];
/** The stream is not what we understand. */
const STREAM_PROBLEM = 255;
const EXIT_CODES: Readonly<Record<string, number>> = { succeeded: 0, failed: 1, errored: 2, aborted: 3 };

/** Which build is meant. */
export interface BuildChoice {
  readonly job?: Place;
  readonly build?: string;
  readonly url?: string;
}

interface WatchOptions extends BuildChoice {
  readonly timestamps?: boolean;
}

export function watchCommand(cli: Cli): Command {
  return new Command('watch')
    .alias('w')
    .description(
      "show a build's output as it comes, without options that of the last `weir execute`; exits as the build does: 0, the task's exit status, 1 failed, 2 errored, 3 aborted",
    )
    .option('-j, --job <pipeline/job>', 'the job whose running, next or last build to watch', place)
    .option('-b, --build <id or name>', 'with -j: name of the build (7); alone: its id')
    .option('-u, --url <url>', 'the address of the build or job in a browser')
    .option('--timestamps', 'put the time before each line')
    .option('--ignore-event-parsing-errors', 'has no effect, events of unknown kinds are skipped; fly has it')
    .action(async (options: WatchOptions, command: Command) => {
      const client = await cli.connect(command);
      const id = await chooseBuild(client, options);
      cli.exitCode = await watchBuild(cli, client, id, options.timestamps);
    });
}

/** The id of the build that `-j` and `-b` mean. */
export async function chooseBuild(target: ApiClient, choice: BuildChoice): Promise<number> {
  const { job, build, team }: Shown = choice.url === undefined ? choice : readWebUrl(choice.url, target.url);
  const client = team === undefined ? target : target.ofTeam(team);
  if (job) {
    const path = (rest = ''): string => client.pipeline(job.pipeline, route`/jobs/${job.name}` + rest);
    if (build !== undefined) return (await client.get<WireBuild>(path(route`/builds/${build}`))).id;
    const { next_build: next, finished_build: finished } = await client.get<WireJob>(path());
    const chosen = next ?? finished;
    if (!chosen)
      throw new CliError(
        `${job.pipeline}/${job.name} has no build yet: \`weir trigger-job -j ${job.pipeline}/${job.name}\``,
      );
    return chosen.id;
  }
  if (build === undefined) return newestOneOff(client);
  if (!/^\d+$/.test(build)) throw new CliError(`-b ${build}: without -j the build is named by its id, a number`);
  return Number(build);
}

/** What `weir execute` began last. */
export async function newestOneOff(client: ApiClient): Promise<number> {
  const builds = await client.get<WireBuild[]>('/api/v1/builds?limit=100');
  const found = builds.find((build) => build.job_name === undefined && build.resource_name === undefined);
  if (found) return found.id;
  throw new CliError('which build? -j PIPELINE/JOB, -j PIPELINE/JOB -b NAME, or -b ID');
}

/** Says that a build began; for a program the build is the first of the lines that follow. */
export function sayBegun(cli: Cli, message: string, build: WireBuild): void {
  cli.io.out(`${cli.isJson ? JSON.stringify(build) : message}\n`);
}

/**
 * Prints a build's events until it ends, over any number of broken connections.
 * @returns the exit code: of the last task that failed, else by the build's status.
 */
export async function watchBuild(cli: Cli, client: ApiClient, buildId: number, timestamps = false): Promise<number> {
  const printer = new EventPrinter(cli, timestamps);
  let lastEventId: string | undefined;
  let hasConnected = false;
  for (;;) {
    try {
      for await (const { id, event, data } of client.events(
        route`/api/v1/builds/${buildId}/events`,
        lastEventId,
        cli.io.signal,
      )) {
        hasConnected = true;
        lastEventId = id ?? lastEventId;
        if (event === 'end') return await exitOfReapedBuild(cli, client, buildId);
        if (event !== 'event') throw new CliError(`the server sent an unknown event "${event}"`, STREAM_PROBLEM);
        const exitCode = printer.print(parseEvent(data));
        if (exitCode !== undefined) return exitCode;
      }
      hasConnected = true;
    } catch (error) {
      const isPassing = error instanceof Refused && PASSING_STATUSES.includes(error.status);
      if (!isPassing || (error.status === 0 && !hasConnected)) throw error;
    }
    cli.io.signal.throwIfAborted();
    await wait(RECONNECT_MS, undefined, { signal: cli.io.signal });
  }
}

/** The stream ended without a status: the log was removed, but the build is still known. */
async function exitOfReapedBuild(cli: Cli, client: ApiClient, buildId: number): Promise<number> {
  const { status } = await client.get<WireBuild>(route`/api/v1/builds/${buildId}`);
  cli.io.out(`the log of this build was removed; it ended as ${colourStatus(cli.paint, status)}\n`);
  return EXIT_CODES[status] ?? 1;
}

function parseEvent(data: string): WireEvent {
  try {
    return JSON.parse(data) as WireEvent;
  } catch {
    throw new CliError('the server sent an event that is not JSON', STREAM_PROBLEM);
  }
}

/** Turns events into lines. */
export class EventPrinter {
  private taskStatus = 0;
  private atLineStart = true;

  constructor(
    private readonly cli: Pick<Cli, 'io' | 'paint' | 'isJson'>,
    private readonly timestamps: boolean,
  ) {}

  /** @returns the exit code when this event ends the build. */
  print(frame: WireEvent): number | undefined {
    const { event, data } = frame;
    const { paint, isJson } = this.cli;
    if (isJson) this.cli.io.out(`${JSON.stringify(frame)}\n`);
    switch (event) {
      case 'log':
        this.write(data.payload ?? '', data.time);
        break;
      case 'error':
        this.line(paint('red', data.message ?? ''), data.time);
        break;
      case 'initialize-task':
        this.line(paint('bold', 'initializing'), data.time);
        break;
      case 'initialize-check':
        this.line(paint('bold', `initializing check: ${data.name ?? ''}`), data.time);
        break;
      case 'start-task':
        this.line(
          paint('bold', `running ${[data.config?.run?.path, ...(data.config?.run?.args ?? [])].join(' ')}`),
          data.time,
        );
        break;
      case 'selected-worker':
        this.line(paint('bold', `selected worker: ${data.selected_worker ?? ''}`), data.time);
        break;
      case 'waiting-for-worker':
        this.line(paint('bold', 'no suitable worker is free, waiting for one...'), data.time);
        break;
      case 'finish-task':
        this.taskStatus = data.exit_status ?? 0;
        break;
      case 'status':
        return this.end(data.status ?? '', data.time, paint);
    }
    return undefined;
  }

  private end(status: string, time: number | undefined, paint: Paint): number | undefined {
    const exitCode = EXIT_CODES[status];
    if (exitCode === undefined) return undefined;
    this.line(colourStatus(paint, status), time);
    return exitCode === 0 ? 0 : this.taskStatus || exitCode;
  }

  private line(text: string, time: number | undefined): void {
    this.write(`${this.atLineStart ? '' : '\n'}${text}\n`, time);
  }

  private write(text: string, time: number | undefined): void {
    if (text === '' || this.cli.isJson) return;
    const stamp = this.timestamps ? `${clockTime(time)}  ` : '';
    const [first = '', ...rest] = text.split(/(?<=\n)/);
    const stamped =
      stamp === '' ? text : [this.atLineStart ? stamp + first : first, ...rest.map((line) => stamp + line)].join('');
    this.cli.io.out(stamped);
    this.atLineStart = text.endsWith('\n');
  }
}

/** `18:22:05` in local time; blanks when the event has no time. */
function clockTime(unixSeconds: number | undefined): string {
  if (unixSeconds === undefined) return ' '.repeat(8);
  const at = new Date(unixSeconds * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
}
