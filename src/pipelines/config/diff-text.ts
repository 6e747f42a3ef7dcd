import { stringify } from 'yaml';
import type { PipelineChange } from './diff.js';

/** Colours a text for whoever shows it. */
export type PaintDiff = (colour: 'bold' | 'green' | 'red' | 'gray', text: string) => string;

const NOUNS: Readonly<Record<PipelineChange['section'], string>> = {
  groups: 'group',
  var_sources: 'var source',
  resources: 'resource',
  resource_types: 'resource type',
  prototypes: 'prototype',
  jobs: 'job',
  display: 'display',
  user_data: 'user data',
};
const CONTEXT_LINES = 3;

/** What would change, item by item, as lines of YAML. */
export function diffText(paint: PaintDiff, changes: readonly PipelineChange[]): string {
  return changes
    .map((change) => {
      const what = change.name === undefined ? NOUNS[change.section] : `${NOUNS[change.section]} ${change.name}`;
      const lines = diffLines(toLines(inOrderOf(change.new, change.old)), toLines(change.new));
      return `${paint('bold', `${what} ${change.kind}`)}\n${lines.map((line) => paintLine(paint, line)).join('\n')}\n`;
    })
    .join('\n');
}

/** `value` with its keys in the order that they have in `model`: the order of keys is no change. */
function inOrderOf(model: unknown, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item, i) => inOrderOf(Array.isArray(model) ? model[i] : undefined, item));
  if (!isMap(value) || !isMap(model)) return value;
  const keys = [
    ...Object.keys(model).filter((key) => key in value),
    ...Object.keys(value).filter((key) => !(key in model)),
  ];
  return Object.fromEntries(keys.map((key) => [key, inOrderOf(model[key], value[key])]));
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toLines(value: unknown): string[] {
  return value === undefined || value === null ? [] : stringify(value).trimEnd().split('\n');
}

function paintLine(paint: PaintDiff, line: string): string {
  if (line.startsWith('+')) return paint('green', line);
  return line.startsWith('-') ? paint('red', line) : paint('gray', line);
}

/** Lines with `+`, `-` or two blanks before them; long stretches without change are left out as `...`. */
export function diffLines(before: readonly string[], after: readonly string[]): string[] {
  const lines = commonLines(before, after);
  const near = lines.map((_, i) =>
    lines.slice(Math.max(0, i - CONTEXT_LINES), i + CONTEXT_LINES + 1).some((line) => !line.startsWith(' ')),
  );
  return lines.flatMap((line, i) => (near[i] ? [line] : near[i - 1] || i === 0 ? ['  ...'] : []));
}

/** By the longest common subsequence. Items are some hundred lines at most, so a table of both is small enough. */
function commonLines(before: readonly string[], after: readonly string[]): string[] {
  const longest = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1));
  const at = (i: number, j: number): number => longest[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    const row = longest[i];
    if (!row) continue;
    for (let j = after.length - 1; j >= 0; j--) {
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(`  ${before[i++] ?? ''}`);
      j++;
    } else if (i < before.length && (j === after.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push(`- ${before[i++] ?? ''}`);
    else lines.push(`+ ${after[j++] ?? ''}`);
  }
  return lines;
}
