import os from 'node:os';
import { createInterface } from 'node:readline/promises';
import { Writable, type Readable } from 'node:stream';
import { styleText } from 'node:util';
import { openBrowser } from './open-browser.js';

/** The world as the CLI sees it; tests pass their own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of `.weirrc`. */
  readonly home: string;
  /** Is somebody looking? Colours and tables for people depend on it. */
  readonly hasColours: boolean;
  /** Can questions be asked? */
  readonly isInteractive: boolean;
  /** Aborts when the person presses Ctrl-C. */
  readonly signal: AbortSignal;
  now(): Date;
  out(text: string): void;
  err(text: string): void;
  /** Asks one line; what is typed after a hidden question is not shown. */
  ask(question: string, options?: AskOptions): Promise<string>;
  /** Opens a page in the person's browser, where there may be one. */
  browse?(page: string): void;
  /** All of standard input. */
  readAll(): Promise<string>;
  /** Bytes to and from whoever is there, for a shell somewhere else. */
  readonly console?: Console;
}

export interface AskOptions {
  readonly hidden?: boolean;
  /** Gives up the question. */
  readonly signal?: AbortSignal;
}

export interface Console {
  readonly input: Readable;
  readonly output: Writable;
  readonly error: Writable;
  /** Present when input and output are a terminal. */
  readonly window?: Window;
}

export interface Window {
  size(): { readonly columns: number; readonly rows: number };
  /** @returns how to stop listening. */
  onResize(listener: () => void): () => void;
  /** Raw: every key is passed on at once, also Ctrl-C. */
  setRaw(isRaw: boolean): void;
}

/** The real terminal, files and clock. */
export function processIo(signal: AbortSignal): Io {
  return {
    env: process.env,
    home: os.homedir(),
    hasColours: process.stdout.isTTY && process.env.NO_COLOR === undefined && process.env.TERM !== 'dumb',
    isInteractive: process.stdin.isTTY && process.stdout.isTTY,
    signal,
    now: () => new Date(),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    ask: (question, { hidden, signal: given } = {}) =>
      ask(question, hidden ?? false, given ? AbortSignal.any([signal, given]) : signal),
    console: processConsole(),
    browse: openBrowser,
    readAll: async () => {
      let text = '';
      for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
      return text;
    },
  };
}

function processConsole(): Console {
  const { stdin: input, stdout: output, stderr: error } = process;
  if (!input.isTTY || !output.isTTY) return { input, output, error };
  const window: Window = {
    size: () => ({ columns: output.columns, rows: output.rows }),
    onResize: (listener) => {
      output.on('resize', listener);
      return () => output.off('resize', listener);
    },
    setRaw: (isRaw) => void input.setRawMode(isRaw),
  };
  return { input, output, error, window };
}

async function ask(question: string, hidden: boolean, signal: AbortSignal): Promise<string> {
  process.stdout.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: hidden ? silent : process.stdout, terminal: hidden });
  try {
    // While keys are read one by one Ctrl-C is one of them.
    lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    return await lines.question('', { signal });
  } finally {
    lines.close();
    if (hidden) process.stdout.write('\n');
  }
}

type Colour = 'red' | 'green' | 'yellow' | 'blue' | 'cyan' | 'magenta' | 'gray' | 'bold';
export type Paint = (colour: Colour, text: string) => string;

/** Colours text for a terminal, and leaves it alone for a file or pipe. */
export function painter(io: Pick<Io, 'hasColours'>): Paint {
  return (colour, text) => (io.hasColours ? styleText(colour, text, { validateStream: false }) : text);
}

/** A refusal in one line. The exit code is 1 unless told otherwise. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
    this.name = 'CliError';
  }
}
