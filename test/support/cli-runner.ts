import { mkdtempSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Console, Io } from '../../src/cli/io.js';
import { run } from '../../src/cli/run.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs command lines in this process, as one person with one home folder. */
export class CliRunner {
  readonly home = mkdtempSync(path.join(os.tmpdir(), 'weir-cli-'));
  readonly env: Record<string, string> = {};
  /** What the person answers, in order; without answers nobody can be asked. */
  answers: string[] = [];
  input = '';
  /** Sees what goes to standard error while the command runs. */
  onErr: ((text: string) => void) | undefined;
  hasColours = false;
  /** Where a shell somewhere else reads and writes. */
  console: Console | undefined;
  /** Ctrl-C. */
  interruption = new AbortController();

  async run(...argv: string[]): Promise<CliResult> {
    let out = '';
    let err = '';
    const io: Io = {
      env: this.env,
      home: this.home,
      hasColours: this.hasColours,
      isInteractive: this.answers.length > 0,
      signal: this.interruption.signal,
      ...(this.console ? { console: this.console } : {}),
      now: () => new Date(),
      out: (text) => void (out += text),
      err: (text) => {
        err += text;
        this.onErr?.(text);
      },
      ask: async (question) => {
        out += question;
        return this.answers.shift() ?? '';
      },
      readAll: async () => this.input,
    };
    const code = await run(argv, io);
    return { code, out, err };
  }

  /** The answer to `--json`; the command must succeed. */
  async json<Value>(...argv: string[]): Promise<Value> {
    const { code, out, err } = await this.run(...argv, '--json');
    if (code !== 0) throw new Error(`weir ${argv.join(' ')}: ${err}`);
    return JSON.parse(out) as Value;
  }

  /** A file in the person's home. @returns where it is */
  async file(name: string, text: string): Promise<string> {
    const at = path.join(this.home, name);
    await writeFile(at, text);
    return at;
  }
}
