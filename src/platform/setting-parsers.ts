import { readFileSync } from 'node:fs';
import { parseDurationMs } from '../model/index.js';

/** How the text of a setting becomes its value. */
export interface Parser {
  /** What a good value is, in words, for the error. */
  readonly expects: string;
  /** @returns undefined when the text is no good value. */
  readonly parse: (text: string) => unknown;
}

/** A whole number within these bounds, both included. */
export function wholeNumber(least: number, most: number): Parser {
  const parse = (text: string): number | undefined =>
    /^\d{1,9}$/.test(text) && +text >= least && +text <= most ? +text : undefined;
  return { expects: `a whole number from ${least} to ${most}`, parse };
}

/** Any text but an empty one. */
export function text(what: string, convert: (text: string) => string = (same) => same): Parser {
  return { expects: what, parse: (given) => (given.trim() === '' ? undefined : convert(given)) };
}

/** One of these words. */
export function oneOf(values: readonly string[]): Parser {
  return { expects: `one of ${values.join(', ')}`, parse: (given) => values.find((value) => value === given) };
}

/** A duration in milliseconds, as in `1h30m`. */
export function duration(): Parser {
  const parse = (given: string): number | undefined => {
    const ms = parseDurationMs(given);
    return ms !== undefined && ms > 0 ? ms : undefined;
  };
  return { expects: 'a duration longer than 0, such as 90s or 1h30m', parse };
}

/** An address with one of these schemes; slashes at its end are dropped. */
export function url(...protocols: readonly string[]): Parser {
  const parse = (given: string): string | undefined =>
    protocols.some((protocol) => given.startsWith(`${protocol}//`)) ? given.replace(/\/+$/, '') : undefined;
  return { expects: `an address that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`, parse };
}

/** A switch that turns off what is on without it. */
export function offSwitch(): Parser {
  const parse = (given: string): boolean | undefined => {
    if (['true', '1', 'yes'].includes(given)) return false;
    return ['false', '0', 'no'].includes(given) ? true : undefined;
  };
  return { expects: 'true or false', parse };
}

/** A switch that turns on what is off without it. */
export function onSwitch(): Parser {
  const { expects, parse } = offSwitch();
  const inverted = (given: string): boolean | undefined => {
    const isOff = parse(given) as boolean | undefined;
    return isOff === undefined ? undefined : !isOff;
  };
  return { expects, parse: inverted };
}

/** A duration, kept as it is written. */
export function durationText(): Parser {
  const { expects, parse } = duration();
  return { expects, parse: (given) => (parse(given) === undefined ? undefined : given) };
}

/** What stands in a file, without its last line break. */
export function contentsOfFile(): Parser {
  return { expects: 'a file that can be read and is not empty', parse: contents };
}

function contents(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '') || undefined;
  } catch {
    return undefined;
  }
}

/** Names with commas between. */
export function names(): Parser {
  return { expects: 'names with commas between', parse: nameList };
}

function nameList(given: string): string[] | undefined {
  const names = given.split(',').map((name) => name.trim());
  return names.every((name) => name !== '') ? names : undefined;
}
