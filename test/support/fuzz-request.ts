import fc from 'fast-check';
import type { OpenApiOperation } from '../../src/api/openapi/types.js';

/** A request as it goes over the wire. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What people who mean harm write, and what breaks programs that mean well. */
const BAD_TEXTS = [
  '',
  ' ',
  '.',
  '..',
  '\0',
  'a\0b',
  "'; drop table builds; --",
  '" or 1=1 --',
  '%',
  '%%00',
  '\\',
  '../../../../etc/passwd',
  '$(sleep 20)',
  '`sleep 20`',
  '{{7*7}}((x))${x}',
  '<script>alert(1)</script>',
  '\r\nset-cookie: a=b',
  '\u202e\ufeff\u0301',
  'ünïcödé 💥 中文',
  '\ud800',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'null',
  'true',
  'NaN',
  '-1',
  '0',
  '1e999',
  '2147483648',
  '9007199254740991',
  '99999999999999999999',
  '999999999999999',
  '2026-13-45',
  '+275760-09-13T00:00:00Z',
  '((',
  '[',
  '{"a":',
  '(a+)+$',
  'a'.repeat(1_900),
];

const badText = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...BAD_TEXTS) }, fc.string({ unit: 'binary' }));
const badValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: badText },
  { weight: 3, arbitrary: fc.jsonValue() },
  fc.constantFrom<unknown>(0, -1, 0.5, 2 ** 31, 2 ** 53 - 1, 1e308, -1e308, null, true, [], {}, [[]], [null]),
  fc.constantFrom<unknown>('x'.repeat(300_000), Array(5_000).fill(0), { '\0': '\0' }, { toString: 1, length: -1 }),
);

/** Texts that stand for a JSON body but are none, or one that no reader expects. */
const BAD_BODIES = [
  '[',
  '{"a":1,}',
  '\0',
  '"\\ud800"',
  '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}',
  '['.repeat(100_000) + ']'.repeat(100_000),
  '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000),
  '1' + '0'.repeat(100_000),
  'a: &a [*a]',
  'a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]',
  '{jobs: ["\\0", {name: "\\0"}], resources: [{name: "a\\0", type: "\\0", source: {a: "\\0"}}]}',
  '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
];
const TYPES = [
  'application/json',
  'application/x-yaml',
  'application/x-www-form-urlencoded',
  'text/plain',
  'application/octet-stream',
  'multipart/form-data; boundary=a',
  'application/json; charset=utf-16',
  '*/*',
];

/** Something valid for the operation with one thing wrong, or anything at all. `known` are names that there are, by parameter. */
export function badRequest(
  method: string,
  path: string,
  operation: OpenApiOperation,
  known: Readonly<Record<string, string>>,
  goodBodies: readonly unknown[],
): fc.Arbitrary<WireRequest> {
  const { parameters } = operation;
  const mostlyKnown = (name: string): fc.Arbitrary<string> =>
    known[name] === undefined ? badText : fc.oneof({ weight: 5, arbitrary: fc.constant(known[name]) }, badText);
  const inPath = fc.record(
    Object.fromEntries(parameters.filter((p) => p.in === 'path').map(({ name }) => [name, mostlyKnown(name)])),
  );
  const inQuery = parameters
    .filter((p) => p.in === 'query')
    .map(({ name, example }) =>
      fc.array(
        fc.tuple(
          fc.constant(name),
          fc.oneof(fc.constant(typeof example === 'string' ? example : JSON.stringify(example ?? {})), badText),
        ),
        { maxLength: 2 },
      ),
    );
  const query = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.tuple(...inQuery).map((pairs) => pairs.flat()) },
    fc.array(fc.tuple(fc.oneof(badText, fc.constantFrom('vars', 'vars.a."b', 'vars.', 'vars.__proto__.x')), badText), {
      maxLength: 3,
    }),
  );
  const inHeaders = parameters
    .filter((p) => p.in === 'header')
    .map(({ name }) => badText.map((text) => [name, headerText(text)] as const));
  const headers = fc
    .tuple(fc.constantFrom<Record<string, string>>({}, { accept: 'application/json' }), fc.tuple(...inHeaders))
    .map(([accept, pairs]): Record<string, string> => ({
      ...accept,
      ...Object.fromEntries(pairs),
    }));
  return fc
    .record({ inPath, query, headers, sent: method === 'GET' ? fc.constant({}) : body(goodBodies) })
    .map(({ inPath: names, query: pairs, headers: all, sent: { type, text } }: Parts) => ({
      method,
      path: `${path.replace(/\{(\w+)\}/g, (_, name: string) => escaped(names[name] ?? ''))}${queryText(pairs)}`,
      headers: { ...all, ...(type === undefined ? {} : { 'content-type': type }) },
      ...(text === undefined ? {} : { body: text }),
    }));
}

interface Parts {
  readonly inPath: Readonly<Record<string, string>>;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly sent: { readonly type?: string; readonly text?: string };
}

function body(good: readonly unknown[]): fc.Arbitrary<Parts['sent']> {
  const json = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Parts['sent']> =>
    value.map((one) => ({ type: 'application/json', text: JSON.stringify(one) ?? '' }));
  const spoiled = fc
    .tuple(fc.constantFrom(...(good.length > 0 ? good : [{ reason: 'r' }])), fc.nat(), badValue)
    .map(([one, at, bad]) => spoil(one, at, bad));
  return fc.oneof(
    { weight: 6, arbitrary: json(spoiled) },
    { weight: 2, arbitrary: json(badValue) },
    { weight: 1, arbitrary: fc.constant({}) },
    fc.record({ type: fc.constantFrom(...TYPES), text: fc.oneof(fc.constantFrom(...BAD_BODIES), badText) }),
  );
}

/** The value with its n-th part, counted over all levels, replaced, or taken away where the bad one is null. */
function spoil(value: unknown, n: number, bad: unknown): unknown {
  const copy = { root: structuredClone(value) };
  const places: [Record<string, unknown>, string][] = [];
  const walk = (holder: Record<string, unknown>): void => {
    for (const [key, inner] of Object.entries(holder)) {
      places.push([holder, key]);
      if (typeof inner === 'object' && inner !== null) walk(inner as Record<string, unknown>);
    }
  };
  walk(copy);
  const [holder, key] = places[n % places.length]!;
  if (bad === null && !Array.isArray(holder) && holder !== copy) delete holder[key];
  else holder[key] = bad;
  return copy.root;
}

function escaped(text: string): string {
  // Dots alone would be taken away by the client; half a pair has no bytes, so those of the half are sent.
  if (/^\.+$/.test(text)) return text.replaceAll('.', '%2E');
  return /\p{Surrogate}/u.test(text) ? '%ED%A0%80' : encodeURIComponent(text);
}

function queryText(pairs: Parts['query']): string {
  const text = pairs.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join('&');
  return text === '' ? '' : `?${text}`;
}

/** What of the text may stand in a header: the rest is refused by every client. */
function headerText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, 1_000);
}
