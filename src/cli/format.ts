import type { JsonValue } from '../model/index.js';
import type { Paint } from './io.js';
import { writtenRef } from './pipeline-ref.js';
import type { WireBuild } from './wire.js';

/** Rows under headings, columns as wide as their widest cell. Cells may hold colour codes. */
export function table(paint: Paint, headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => visibleLength(row[i] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - visibleLength(cell))))
      .join('  ')
      .trimEnd();
  return [line(headings.map((heading) => paint('bold', heading))), ...rows.map(line)].join('\n') + '\n';
}

function visibleLength(text: string): number {
  // eslint-disable-next-line no-control-regex -- colour codes begin with the escape character
  return [...text.replace(/\u001b\[[0-9;]*m/g, '')].length;
}

/** A value of a var: text as it is, all else as JSON. */
export function valueText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `2026-11-21 18:22:05` in local time; `n/a` for none. */
export function time(unixSeconds: number | undefined): string {
  if (unixSeconds === undefined) return 'n/a';
  const at = new Date(unixSeconds * 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `1h2m3s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return `${h > 0 ? `${h}h` : ''}${h > 0 || m > 0 ? `${m}m` : ''}${s}s`;
}

/** How long the build ran, or runs so far (with a plus). */
export function buildDuration({ start_time: start, end_time: end }: WireBuild, now: Date): string {
  if (start === undefined) return 'n/a';
  return end === undefined ? `${duration(now.getTime() / 1000 - start)}+` : duration(end - start);
}

export function status(paint: Paint, word: string): string {
  const colours = {
    pending: 'gray',
    started: 'yellow',
    succeeded: 'green',
    failed: 'red',
    errored: 'magenta',
    aborted: 'yellow',
  } as const;
  return word in colours ? paint(colours[word as keyof typeof colours], word) : word;
}

export function yesNo(paint: Paint, is: boolean | undefined): string {
  return is ? paint('cyan', 'yes') : 'no';
}

/** `ref:abc,depth:1`, as versions are written on the command line. */
export function version(parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts)
    .map(([key, value]) => `${key}:${value}`)
    .join(',');
}

/** ` by admin since 2026-11-21 18:22:05: why`; empty parts are left out. */
export function pausedWords(by?: string, at?: number, reason?: string): string {
  return `${by ? ` by ${by}` : ''}${at ? ` since ${time(at)}` : ''}${reason ? `: ${reason}` : ''}`;
}

/** `pipeline/job #7`, `one-off #12`. */
export function buildName(build: WireBuild): string {
  if (build.pipeline_name === undefined) return `build ${build.id}`;
  const pipeline = writtenRef(build.pipeline_name, build.pipeline_instance_vars);
  return `${pipeline}/${build.job_name ?? build.resource_name ?? ''} #${build.name}`;
}
