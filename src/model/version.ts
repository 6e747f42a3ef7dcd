import { createHash } from 'node:crypto';

/** One version of a resource: a non-empty map of text to text. Its identity is {@link versionDigest}. */
export type Version = Readonly<Record<string, string>>;

/** SHA-256 (hex) of a version's JSON with sorted keys; names the version inside a history. */
export type Digest = string & { readonly __digest: 'version' };

export interface MetadataField {
  readonly name: string;
  readonly value: string;
}

/** JSON with sorted keys at every level, so that equal values have equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** The identity of a version inside its history. Independent of key order. */
export function versionDigest(version: Version): Digest {
  return createHash('sha256').update(canonicalJson(version)).digest('hex') as Digest;
}

/** True when `version` has every key of `part` with the same value (how pins match). */
export function versionContains(version: Version, part: Version): boolean {
  return Object.entries(part).every(([key, value]) => version[key] === value);
}
