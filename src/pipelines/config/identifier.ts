import type { Path } from './finding.js';
import type { Findings } from './shape.js';

const FIRST = /^[\p{Ll}\p{Lt}\p{Lm}\p{Lo}\p{Nd}]/u;
const ILLEGAL = /[^\p{Ll}\p{Lt}\p{Lm}\p{Lo}\p{Nd}\-_.]/u;

/** What is wrong with a name that people and URLs use; undefined when nothing is. */
export function identifierFault(name: string): string | undefined {
  if (name === '') return 'identifier cannot be an empty string';
  if (/^\d+$/.test(name)) return `'${name}' is not a valid identifier: cannot be just numbers`;
  if (!FIRST.test(name)) return `'${name}' is not a valid identifier: must start with a lowercase letter or a digit`;
  const illegal = ILLEGAL.exec(name)?.[0];
  return illegal === undefined ? undefined : `'${name}' is not a valid identifier: illegal character '${illegal}'`;
}

/** An empty name is a problem, an unusual one a warning. */
export function checkIdentifier(name: string | undefined, at: Path, found: Findings): void {
  if (name === undefined) return;
  const fault = identifierFault(name);
  if (fault === undefined) return;
  if (name === '') found.problem(at, fault);
  else found.warn('invalid_identifier', at, fault);
}
