import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';

/** A request that `fly` sends and what it needs back. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body: JSON, a form, YAML or any text. Mostly there is none. */
  readonly send?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly yaml?: string;
  readonly text?: string;

  readonly status: number;
  /** Exactly, as `fly` compares it. */
  readonly type?: string;
  readonly headersHave?: Readonly<Record<string, string>>;
  readonly body?: Shape;
  /** Part of the body. */
  readonly has?: unknown;
  readonly bodyText?: string;
  /** The body is read until this text comes. */
  readonly stream?: string;
  /** Names for parts of the answer, to be used as `{name}` from now on. */
  readonly keep?: Readonly<Record<string, string>>;
  readonly keepHeader?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** As Go's client does: no `Accept`, and no content type without a body. */
export async function exchange(url: string, ask: Exchange, kept: ReadonlyMap<string, string>): Promise<Answer> {
  const filled = fill(ask, kept);
  const [type, body] = bodyOf(filled);
  const headers: Record<string, string> = {
    'user-agent': 'Go-http-client/1.1',
    ...(kept.has('token') ? { authorization: `Bearer ${kept.get('token')}` } : {}),
    ...(type === undefined ? {} : { 'content-type': type }),
    ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...filled.headers,
  };
  if (headers.authorization === '') delete headers.authorization;
  const sent = request(url + filled.path, { method: filled.method, headers });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  answer.setEncoding('utf8');
  for await (const chunk of answer) {
    text += chunk;
    if (filled.stream !== undefined && text.includes(filled.stream)) break;
  }
  return { status: answer.statusCode ?? 0, headers: answer.headers, text };
}

function bodyOf({ send, form, yaml, text }: Exchange): [string | undefined, string | undefined] {
  if (form) return ['application/x-www-form-urlencoded', new URLSearchParams(form).toString()];
  if (yaml !== undefined) return ['application/x-yaml', yaml];
  if (text !== undefined) return [undefined, text];
  return send === undefined ? [undefined, undefined] : ['application/json', JSON.stringify(send)];
}

/** The exchange with every `{name}` replaced by what was kept. */
function fill(ask: Exchange, kept: ReadonlyMap<string, string>): Exchange {
  const text = JSON.stringify(ask).replace(/\{(\w+)\}/g, (written, name: string) => kept.get(name) ?? written);
  return JSON.parse(text) as Exchange;
}

/** A part by its path, such as `0.id`. */
export function partOf(value: unknown, path: string): unknown {
  return path.split('.').reduce((part, key) => (part as Record<string, unknown> | undefined)?.[key], value);
}

/** `int`, `string`, …; a name of a shape; `A|null`; a list of one shape; keys to shapes, `key?` being optional. */
export type Shape = string | readonly [Shape] | { readonly [key: string]: Shape };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const everyValue = (value: unknown, is: (inner: unknown) => boolean): boolean =>
  isObject(value) && Object.values(value).every(is);
const isText = (value: unknown): boolean => typeof value === 'string';

/** What Go's decoder takes for the types that it has. */
const KINDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  any: () => true,
  string: isText,
  bool: (value) => typeof value === 'boolean',
  int: (value) => Number.isSafeInteger(value),
  object: isObject,
  version: (value) => everyValue(value, isText),
  flags: (value) => everyValue(value, (inner) => typeof inner === 'boolean'),
  roles: (value) => everyValue(value, (inner) => Array.isArray(inner) && inner.every(isText)),
  auth: (value) =>
    everyValue(value, (inner) => isObject(inner) && Array.isArray(inner.users) && Array.isArray(inner.groups)),
  semver: (value) => isText(value) && /^\d+\.\d+\.\d+(-.*)?$/.test(String(value)),
  rfc3339: (value) => isText(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(String(value)),
  status: (value) => /^(pending|started|succeeded|failed|errored|aborted)$/.test(String(value)),
};

/** Where the value is not of the shape, in words; empty when it is. */
export function misfits(
  value: unknown,
  shape: Shape,
  named: Readonly<Record<string, Shape>>,
  at = 'body',
): readonly string[] {
  if (typeof shape === 'string') {
    if (shape.endsWith('|null')) return value === null ? [] : misfits(value, shape.slice(0, -5), named, at);
    const inner = named[shape];
    if (inner !== undefined) return misfits(value, inner, named, at);
    const kind = KINDS[shape];
    if (!kind) throw new Error(`there is no shape "${shape}"`);
    return kind(value) ? [] : [`${at} is not ${shape}: ${JSON.stringify(value)}`];
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${at} is no list: ${JSON.stringify(value)}`];
    return value.flatMap((item, index) => misfits(item, shape[0] as Shape, named, `${at}[${index}]`));
  }
  if (!isObject(value)) return [`${at} is no object: ${JSON.stringify(value)}`];
  return Object.entries(shape).flatMap(([key, inner]) => {
    const name = key.replace(/\?$/, '');
    if (name in value) return misfits(value[name], inner, named, `${at}.${name}`);
    return key.endsWith('?') ? [] : [`${at}.${name} is missing`];
  });
}
