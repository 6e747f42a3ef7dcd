import type { JsonObject, MetadataField, Version } from '../model/index.js';
import { ResourceFailure, type FetchResult } from '../resources/index.js';
import type { ArtifactRef, Mount } from '../runtime/index.js';

/** Output of a get's container that becomes the artifact. */
export const GET_OUTPUT = 'get';
const GET_DIR = '/tmp/build/get';
const PUT_DIR = '/tmp/build/put';

/** One run of a script of the container protocol, as a runtime wants it. */
export interface Script {
  readonly argv: readonly string[];
  readonly mounts: readonly Mount[];
  readonly stdin: Uint8Array;
}

/** Asks for the versions since `version`. */
export function checkScript(source: JsonObject, version: Version | undefined): Script {
  return { argv: ['/opt/resource/check'], mounts: [], stdin: request({ source, version }) };
}

/** Fetches a version into the output {@link GET_OUTPUT}. */
export function getScript(source: JsonObject, params: JsonObject, version: Version): Script {
  return {
    argv: ['/opt/resource/in', GET_DIR],
    mounts: [{ path: GET_DIR, source: { output: GET_OUTPUT } }],
    stdin: request({ source, params: orNothing(params), version }),
  };
}

/** Makes a version of the inputs, each a folder with its name. */
export function putScript(
  source: JsonObject,
  params: JsonObject,
  inputs: readonly { readonly name: string; readonly artifact: ArtifactRef }[],
): Script {
  const folders = inputs.map(({ name, artifact }): Mount => ({ path: `${PUT_DIR}/${name}`, source: { artifact } }));
  return {
    argv: ['/opt/resource/out', PUT_DIR],
    // Nobody wants the folder itself afterwards; it is there also when there are no inputs.
    mounts: [{ path: PUT_DIR, source: { output: 'put' } }, ...folders],
    stdin: request({ source, params: orNothing(params) }),
  };
}

function request(content: Readonly<Record<string, JsonObject | undefined>>): Uint8Array {
  return Buffer.from(JSON.stringify(content));
}

function orNothing(params: JsonObject): JsonObject | undefined {
  return Object.keys(params).length === 0 ? undefined : params;
}

/** What a check answered; nothing at all means no versions. @throws ResourceFailure when it is no list of versions. */
export function readVersions(answer: Uint8Array): readonly Version[] {
  const text = Buffer.from(answer).toString();
  if (text.trim() === '') return [];
  const found = firstJson(text, '/opt/resource/check') ?? [];
  if (!Array.isArray(found)) throw new ResourceFailure('/opt/resource/check did not answer with a list of versions');
  return found.map((version) => readVersion(version, '/opt/resource/check'));
}

/** What an in or out answered. @throws ResourceFailure when there is no version in it. */
export function readFetchResult(answer: Uint8Array, script: string): FetchResult {
  const found = firstJson(Buffer.from(answer).toString(), script) as Partial<Record<string, unknown>> | null;
  return { version: readVersion(found?.['version'], script), metadata: readMetadata(found?.['metadata']) };
}

function readVersion(value: unknown, script: string): Version {
  if (value === null || value === undefined) throw new ResourceFailure(`${script} answered with a null version`);
  const isMap = typeof value === 'object' && !Array.isArray(value);
  if (!isMap || Object.values(value).some((text) => typeof text !== 'string'))
    throw new ResourceFailure(
      `${script} answered with something that is no version: ${excerpt(JSON.stringify(value))}`,
    );
  return value as Version;
}

/** Fields without a name are left out; what is no text is written as JSON. */
function readMetadata(value: unknown): readonly MetadataField[] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).flatMap((field) => {
    const { name, value: content } = (field ?? {}) as { name?: unknown; value?: unknown };
    if (typeof name !== 'string') return [];
    return [{ name, value: typeof content === 'string' ? content : JSON.stringify(content ?? '') }];
  });
}

/** The first JSON document of an answer; scripts may print more behind it. */
function firstJson(text: string, script: string): unknown {
  for (const part of [text, text.slice(0, endOfFirst(text))]) {
    try {
      return JSON.parse(part);
    } catch {
      continue;
    }
  }
  throw new ResourceFailure(`${script} answered with something that is no JSON: ${excerpt(text)}`);
}

/** Where the first object or list of the text ends. */
function endOfFirst(text: string): number {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    if (depth === 0) return index + token.length;
  }
  return text.length;
}

const excerpt = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
