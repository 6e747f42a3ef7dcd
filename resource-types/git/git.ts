import { simpleGit } from 'simple-git';
import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import type { Workshop } from './workshop.js';

/** More than this and the remote is talking nonsense; also what one command may cost in memory. */
const MAX_OUTPUT_BYTES = 128 * 1024 * 1024;

export interface GitOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs git commands one after the other inside a {@link Workshop}. No command asks a person, reads the configuration of
 * the machine, or outlives the abort of the signal.
 */
export class Git {
  constructor(
    private readonly workshop: Workshop,
    private readonly context: Pick<CheckContext, 'signal' | 'log'>,
    private readonly options: { readonly debug?: boolean; readonly maxOutputBytes?: number } = {},
  ) {}

  /** Standard output without the last newline. @throws ResourceFailure with git's own words when git fails. */
  async run(cwd: string, ...args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.attempt(cwd, ...args);
    if (exitCode !== 0) throw new ResourceFailure(this.failureText(args, stderr || stdout, exitCode), exitCode);
    return stdout.replace(/\n$/, '');
  }

  /** True when the command ends with 0, for the many git commands that answer by exit status. */
  async succeeds(cwd: string, ...args: readonly string[]): Promise<boolean> {
    return (await this.attempt(cwd, ...args)).exitCode === 0;
  }

  /** The same under another signal. */
  with(signal: AbortSignal): Git {
    return new Git(this.workshop, { signal, log: (text) => this.context.log(text) }, this.options);
  }

  /** The outcome of the command, whatever it is. @throws the signal's reason after an abort. */
  async attempt(cwd: string, ...args: readonly string[]): Promise<GitOutcome> {
    this.context.signal.throwIfAborted();
    if (this.options.debug === true) this.context.log(`+ git ${this.redact(args.join(' '))}\n`);
    const stop = new AbortController();
    const abort = () => stop.abort();
    this.context.signal.addEventListener('abort', abort);
    try {
      return await this.spawn(cwd, args, stop);
    } finally {
      this.context.signal.removeEventListener('abort', abort);
    }
  }

  /** The text with every secret of the source blotted out. */
  redact(text: string): string {
    return this.workshop.redact(text);
  }

  private async spawn(cwd: string, args: readonly string[], stop: AbortController): Promise<GitOutcome> {
    let outcome: GitOutcome | undefined;
    let isTooMuch = false;
    const git = simpleGit({
      baseDir: cwd,
      abort: stop.signal,
      binary: ['/bin/sh', this.workshop.gitScript],
      // By default output that is not read 50 ms after git's end is lost.
      completion: { onClose: true, onExit: false },
      allowEnvironment: Object.keys(this.workshop.env),
      unsafe: {
        allowUnsafeCustomBinary: true, // our own wrapper
        allowUnsafeConfigPaths: true, // GIT_CONFIG_GLOBAL is a file we wrote
        allowUnsafeAskPass: true, // SSH_ASKPASS likewise
      },
      errors: (error, { exitCode, stdOut, stdErr }) => {
        outcome = { exitCode, stdout: Buffer.concat(stdOut).toString(), stderr: Buffer.concat(stdErr).toString() };
        return error;
      },
    })
      .env({ ...this.workshop.env })
      .outputHandler((_command, stdout, stderr) => {
        let seenBytes = 0;
        const count = (chunk: Buffer) => {
          seenBytes += chunk.length;
          if (seenBytes <= (this.options.maxOutputBytes ?? MAX_OUTPUT_BYTES)) return;
          isTooMuch = true;
          stop.abort();
        };
        stdout.on('data', count);
        stderr.on('data', count);
      });
    try {
      await git.raw([...args]);
    } catch (error) {
      this.context.signal.throwIfAborted();
      if (isTooMuch) throw new ResourceFailure(`git ${args[0] ?? ''} printed too much and was stopped`);
      if (outcome === undefined || outcome.exitCode === 0)
        throw new Error(`cannot run git ${args[0] ?? ''}`, { cause: error });
    }
    if (outcome === undefined) throw new Error(`git ${args[0] ?? ''} ended without an outcome`);
    if (outcome.exitCode === 127) throw new Error('git is not installed on this server');
    return outcome;
  }

  private failureText(args: readonly string[], output: string, exitCode: number): string {
    const words = output.trim() === '' ? `exit status ${exitCode}` : output.trim().slice(-4000);
    return this.redact(`git ${args[0] ?? ''} failed: ${words}`);
  }
}
