import type Docker from 'dockerode';
import type { StepState } from '../port.js';

const SIGNALS: Readonly<Record<number, string>> = { 130: 'INT', 137: 'KILL', 143: 'TERM' };

/** How Docker writes a moment that has not come. */
const NEVER = '0001-01-01T00:00:00Z';

/**
 * True when the daemon was killed while it started the container, which ran all the same: its successor does not hear of its
 * end and takes it for running until it is killed.
 */
export function isForgotten({ State }: Docker.ContainerInspectInfo): boolean {
  return State.Running && State.StartedAt === NEVER;
}

/** A container as a step. The init process in it tells a signal as 128 + its number. */
export function stateOf(handle: string, info: Docker.ContainerInspectInfo): StepState {
  const { State, HostConfig } = info;
  const { Status, ExitCode, Error: refusal, OOMKilled, FinishedAt } = State;
  const halfStarted = { handle, phase: 'lost', reason: 'the daemon was restarted while it was being started' } as const;
  if (isForgotten(info)) return halfStarted;
  switch (Status) {
    case 'created':
      // A daemon that was killed has begun to start it: it may have run, or has.
      if (FinishedAt !== NEVER || /^(task \w+: already exists|id already in use)/.test(refusal)) return halfStarted;
      if (refusal === '') return { handle, phase: 'pending' };
      return { handle, phase: 'exited', reason: reasonOf(refusal), exit: { code: ExitCode === 0 ? 128 : ExitCode } };
    case 'exited': {
      const signal = SIGNALS[ExitCode];
      const exit = { code: ExitCode, ...(signal === undefined ? {} : { signal }) };
      if (!OOMKilled) return { handle, phase: 'exited', exit };
      const limit = HostConfig.Memory ? ` of ${HostConfig.Memory} bytes` : '';
      return { handle, phase: 'exited', exit, reason: `out of memory: it needed more than its limit${limit}` };
    }
    case 'dead':
      return { handle, phase: 'lost', reason: 'Docker could not remove its container completely' };
    case 'removing':
      return { handle, phase: 'absent' };
    default:
      return { handle, phase: 'running' };
  }
}

/**
 * Adds what the container alone does not tell: why the command could not run, and whether a signal that ended the step came
 * from inside or through Docker. A step that Docker ended without remembering it is lost: the daemon was restarted.
 */
export async function explainExit(
  docker: Docker,
  state: StepState,
  info: Docker.ContainerInspectInfo,
): Promise<StepState> {
  if (state.phase !== 'exited' || state.reason !== undefined || state.exit === undefined) return state;
  const { code } = state.exit;
  if (code === 126 || code === 127) {
    const reason = await refusalOfInit(docker, info);
    return reason === undefined ? state : { ...state, reason };
  }
  if (code !== ENDED_BY_RESTART && SIGNALS[code] === undefined) return state;
  const known = await endInEvents(docker, info);
  if (known === 'inside') return state;
  if (known === 'outside')
    return { ...state, reason: 'it was ended from outside: Docker was told to stop its container' };
  const reason = 'Docker does not know how it ended: the daemon was restarted while it ran, or the machine was';
  return { handle: state.handle, phase: 'lost', reason };
}

/** Docker gives this code to a container whose process is gone when the daemon starts. Programs may end with it, too. */
const ENDED_BY_RESTART = 255;
/** The event of a container's end can come a little after the end can be seen, in seconds. */
const EVENT_DELAY = 1;

/** Who sent the signal, by the events that the daemon has kept since its start. */
async function endInEvents(
  docker: Docker,
  { Id, State }: Docker.ContainerInspectInfo,
): Promise<'inside' | 'outside' | undefined> {
  let wasKilled = false;
  let text = '';
  const [since, until] = [secondsOf(State.StartedAt), secondsOf(State.FinishedAt) + EVENT_DELAY];
  for await (const bytes of eventsOf(docker, Id, ['kill', 'die'], since, until)) {
    text += bytes.toString();
    wasKilled ||= text.includes('"status":"kill"');
    if (text.includes('"status":"die"')) return wasKilled ? 'outside' : 'inside';
  }
  return wasKilled ? 'outside' : undefined;
}

/** How long a daemon may take to make a container, in seconds. */
const MAKING = 60;

/**
 * Whether the daemon has been up since it made the container: then nothing of it runs that the daemon does not know of. It
 * may say no when it has forgotten: it keeps its last 256 events.
 */
export async function isOfThisLife(
  docker: Docker,
  { Id, Created }: Pick<Docker.ContainerInspectInfo, 'Id' | 'Created'>,
): Promise<boolean> {
  const { SystemTime } = (await docker.info()) as { SystemTime: string };
  const since = secondsOf(Created);
  const until = Math.min(since + MAKING, secondsOf(SystemTime));
  for await (const bytes of eventsOf(docker, Id, ['create'], since, until)) if (bytes.length > 0) return true;
  return false;
}

/** What the daemon remembers of a container between two moments, in seconds. */
async function* eventsOf(
  docker: Docker,
  container: string,
  event: string[],
  since: number,
  until: number,
): AsyncGenerator<Buffer> {
  const filters = { container: [container], event };
  yield* (await docker.getEvents({ since, until, filters })) as unknown as AsyncIterable<Buffer>;
}

const secondsOf = (moment: string): number => Date.parse(moment) / 1000;

/** What the init process said when it could not run the command, in our words; undefined when it said nothing. */
async function refusalOfInit(docker: Docker, { Id, Config }: Docker.ContainerInspectInfo): Promise<string | undefined> {
  const [command = ''] = Config.Entrypoint ?? [];
  const last = await docker.getContainer(Id).logs({ follow: false, stderr: true, stdout: false, tail: 5 });
  const [, name, why] = /\[FATAL tini \(\d+\)\] exec (.+) failed: (.+)/.exec(last.toString()) ?? [];
  if (name !== command) return undefined;
  return why === 'No such file or directory'
    ? `executable file not found: ${command}`
    : `cannot run ${command}: ${(why ?? '').toLowerCase()}`;
}

/** Docker's message without the parts that only its makers understand. */
function reasonOf(refusal: string): string {
  const [, missing] = /exec: "([^"]+)": (?:executable file not found|stat .*no such file)/.exec(refusal) ?? [];
  return missing === undefined ? refusal.replace(/: unknown$/, '') : `executable file not found: ${missing}`;
}
