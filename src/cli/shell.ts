import type { RawData, WebSocket } from 'ws';
import { CliError, type Console } from './io.js';

/** What is run in a container. */
export interface ShellCommand {
  readonly path: string;
  readonly args: readonly string[];
  readonly user?: string;
  /** Of the person's terminal; the container's variables are its own. */
  readonly term: string;
}

/** The server did not find the command there. */
export class CommandNotFound extends CliError {}

const SERVER_SAYS_NO = 255;
const PING_MS = 10_000;

interface Frame {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exit_status?: number;
  readonly error?: string;
  readonly executable_not_found?: boolean;
}

/**
 * Runs a command over the hijack protocol (design: concourse-api §5.2) until it is over. With a terminal at hand the command
 * gets one of the same size, and every key goes there, Ctrl-C too.
 * @returns its exit code.
 * @throws CommandNotFound before anything was shown; CliError with code 255 for what the server says.
 */
export function runShell(
  socket: WebSocket,
  { input, output, error, window }: Console,
  command: ShellCommand,
): Promise<number> {
  const send = (frame: unknown): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame));
  };
  const onInput = (bytes: Buffer | string): void => send({ stdin: Buffer.from(bytes).toString('base64') });
  const onEnd = (): void => send({ closed: true });
  const tty = (): unknown => (window ? { window_size: window.size() } : null);
  const ping = setInterval(() => socket.ping(), PING_MS);
  const cleaning = [() => clearInterval(ping)];
  const over = new Promise<number>((resolve, reject) => {
    socket.once('open', () => {
      send({
        path: command.path,
        args: command.args,
        env: [`TERM=${command.term}`],
        privileged: true,
        ...(command.user === undefined ? {} : { user: command.user }),
        tty: tty(),
      });
      input.on('data', onInput).once('end', onEnd);
      window?.setRaw(true);
      const stop = window?.onResize(() => send({ tty: tty() }));
      cleaning.push(() => {
        stop?.();
        window?.setRaw(false);
        input.off('data', onInput).off('end', onEnd).pause();
      });
    });
    socket.on('message', (data: RawData) => {
      const frame = JSON.parse((data as Buffer).toString()) as Frame;
      if (frame.stdout !== undefined) output.write(Buffer.from(frame.stdout, 'base64'));
      if (frame.stderr !== undefined) error.write(Buffer.from(frame.stderr, 'base64'));
      if (frame.exit_status !== undefined) resolve(frame.exit_status);
      const isMissing = frame.executable_not_found ?? /executable file not found/.test(frame.error ?? '');
      if (isMissing) reject(new CommandNotFound(`there is no ${command.path} in the container`, SERVER_SAYS_NO));
      else if (frame.error !== undefined) reject(new CliError(frame.error, SERVER_SAYS_NO));
    });
    socket.once('error', ({ message }) =>
      reject(new CliError(`cannot step into the container: ${message}`, SERVER_SAYS_NO)),
    );
    socket.once('close', () => reject(new CliError('the connection to the container broke off', SERVER_SAYS_NO)));
  });
  return over.finally(() => {
    for (const clean of cleaning) clean();
    socket.close();
  });
}
