import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Node,
  type Pair,
  type Scalar,
  type Tags,
  type YAMLMap,
} from 'yaml';
import type { JsonValue } from '../../model/index.js';
import { unstorable } from '../../platform/index.js';
import { MAX_FINDINGS, type Finding, type Path } from './finding.js';

/** Deeper than any real pipeline, shallow enough for every recursive walk. */
export const MAX_DEPTH = 200;
/** Values after aliases are expanded. A pipeline of 1,000 jobs has about 50,000. */
const MAX_VALUES = 500_000;
const MAX_TEXT_BYTES = 8 * 1024 * 1024;

export interface YamlText {
  /** Absent when nothing could be read. Aliased parts are shared: do not change it. */
  readonly value?: JsonValue;
  readonly findings: readonly PlacedFinding[];
  /** Where a value stands (or its key); for a path that leads nowhere the nearest value around it. */
  locate(path: Path, onKey?: boolean): Place;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface PlacedFinding extends Finding {
  readonly place: Place;
}

/**
 * Reads YAML 1.1 as Concourse's library does: `yes` and `on` are booleans, `012` is octal, `<<` merges; but dates and
 * `9:00` stay text. Duplicate keys are problems. Never throws, and takes time in proportion to the text.
 */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.max(0, offset));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const broken = (message: string, offset = 0): YamlText => {
    const place = placeAt(offset);
    return { findings: [{ path: [], message: `malformed config: ${message}`, place }], locate: () => place };
  };
  if (text.length > MAX_TEXT_BYTES) return broken('the text is longer than 8 MiB');
  try {
    const document = parseDocument(text, { ...OPTIONS, lineCounter: lines });
    if (document.errors.length > 0) {
      const findings = document.errors.slice(0, MAX_FINDINGS).map((error) => ({
        path: [],
        message: `malformed config: ${error.message}`,
        place: placeAt(error.pos[0]),
      }));
      return { findings, locate: () => placeAt(0) };
    }
    return new Reader(placeAt).read(document.contents);
  } catch (error) {
    // The YAML library recurses over the nesting of the text.
    if (error instanceof RangeError) return broken('nested too deeply');
    throw error;
  }
}

const OPTIONS = {
  version: '1.1',
  // Our own check names the first place too, and takes linear time.
  uniqueKeys: false,
  prettyErrors: false,
  intAsBigInt: true,
  customTags: (tags: Tags): Tags => tags.filter((tag) => typeof tag === 'string' || !isForeign(tag)),
} as const;

/** Types of YAML 1.1 that Go's library reads as text, `12:30` and dates above all. */
function isForeign(tag: Exclude<Tags[number], string>): boolean {
  const name = tag.tag.replace('tag:yaml.org,2002:', '');
  return ['timestamp', 'binary', 'omap', 'pairs', 'set'].includes(name) || ('format' in tag && tag.format === 'TIME');
}

interface Marks {
  readonly own: number;
  readonly items: Map<string | number, { readonly key: number; readonly value: number }>;
}

interface Anchored {
  readonly value: JsonValue;
  readonly size: number;
}

/** Raised when reading on makes no sense; the finding is already noted. */
class Stop extends Error {}

class Reader {
  private readonly findings: PlacedFinding[] = [];
  private readonly marks = new WeakMap<object, Marks>();
  private readonly anchors = new Map<string, Anchored | 'open'>();
  private values = 0;

  constructor(private readonly placeAt: (offset: number) => Place) {}

  read(contents: unknown): YamlText {
    let value: JsonValue | undefined;
    try {
      value = this.convert(contents as Node | null, [], 0);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    return {
      ...(value === undefined ? {} : { value }),
      findings: this.findings,
      locate: (path, onKey) => this.placeAt(this.offsetOf(value, path, onKey ?? false)),
    };
  }

  private convert(node: Node | null | undefined, path: Path, depth: number): JsonValue {
    if (!node) return null;
    if (isAlias(node)) return this.follow(node.source, node, path);
    const before = this.values;
    this.count(1, node, path);
    if (depth > MAX_DEPTH) this.stop(`nested deeper than ${MAX_DEPTH} levels`, node, path);
    const anchor = (node as Scalar).anchor;
    if (anchor !== undefined) this.anchors.set(anchor, 'open');
    const value = isMap(node)
      ? this.convertMap(node, path, depth)
      : isSeq(node)
        ? this.convertList(node.items as Node[], node, path, depth)
        : this.convertScalar(node, path);
    if (anchor !== undefined) this.anchors.set(anchor, { value, size: this.values - before });
    return value;
  }

  private follow(name: string, node: Node, path: Path): JsonValue {
    const target = this.anchors.get(name);
    if (target === 'open') this.stop(`alias *${name} stands inside the value that it refers to`, node, path);
    if (target === undefined) {
      this.note(path, `no anchor &${name} stands before alias *${name}`, offsetOf(node));
      return null;
    }
    this.count(target.size, node, path);
    return target.value;
  }

  private convertList(items: readonly Node[], node: Node, path: Path, depth: number): JsonValue {
    const marks: Marks = { own: offsetOf(node), items: new Map() };
    const list = items.map((item, index) => {
      marks.items.set(index, { key: offsetOf(item), value: offsetOf(item) });
      return this.convert(item, [...path, index], depth + 1);
    });
    this.marks.set(list, marks);
    return list;
  }

  private convertMap(node: YAMLMap, path: Path, depth: number): JsonValue {
    const marks: Marks = { own: offsetOf(node), items: new Map() };
    const entries = new Map<string, JsonValue>();
    const merged: JsonValue[] = [];
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      if (isMergeKey(pair.key)) {
        merged.push(...this.mergedMaps(pair, path, depth));
        continue;
      }
      const key = this.convertKey(pair.key, path);
      const at = { key: offsetOf(pair.key), value: offsetOf(pair.value ?? pair.key) };
      const first = marks.items.get(key);
      if (first) {
        const { line } = this.placeAt(first.key);
        this.note([...path, key], `duplicate key '${key}'`, at.key, `the first is in line ${line}`);
        continue;
      }
      marks.items.set(key, at);
      entries.set(key, this.convert(pair.value, [...path, key], depth + 1));
    }
    this.addMerged(merged, entries, marks);
    const map = Object.fromEntries(entries);
    this.marks.set(map, marks);
    return map;
  }

  private mergedMaps(pair: Pair<Node, Node | null>, path: Path, depth: number): JsonValue[] {
    const value = this.convert(pair.value, [...path, '<<'], depth + 1);
    const maps = Array.isArray(value) ? (value as JsonValue[]) : [value];
    if (maps.every((map) => map !== null && typeof map === 'object' && !Array.isArray(map))) return maps;
    this.note([...path, '<<'], 'a merge (<<) takes a map or a list of maps', offsetOf(pair.value ?? pair.key));
    return [];
  }

  /** Keys of the map itself win over merged ones, earlier maps over later ones. */
  private addMerged(maps: readonly JsonValue[], entries: Map<string, JsonValue>, marks: Marks): void {
    for (const map of maps) {
      const origin = this.marks.get(map as object);
      for (const [key, value] of Object.entries(map as object) as [string, JsonValue][]) {
        if (entries.has(key)) continue;
        entries.set(key, value);
        const at = origin?.items.get(key);
        if (at) marks.items.set(key, at);
      }
    }
  }

  /** Keys are text as written: a key `on` or `n` is no boolean. */
  private convertKey(key: Node, path: Path): string {
    const value = this.convert(key, path, MAX_DEPTH);
    if (value !== null && typeof value === 'object') this.stop('a key must be a plain text', key, path);
    return isScalar(key) && key.type === 'PLAIN' && key.source !== undefined ? key.source : String(value);
  }

  private convertScalar(node: Scalar, path: Path): JsonValue {
    const { value } = node;
    const misfit = typeof value === 'string' ? unstorable(value) : undefined;
    if (misfit !== undefined) this.note(path, misfit, offsetOf(node));
    if (typeof value === 'bigint') {
      if (Number.isSafeInteger(Number(value))) return Number(value);
      this.note(path, `the number ${node.source ?? value} is too large to keep exactly`, offsetOf(node), QUOTE_IT);
      return String(value);
    }
    if (typeof value === 'number' && !Number.isFinite(value)) {
      // The library takes `.` and `e2` for numbers, though they have no digits; Go's does not.
      if (Number.isNaN(value) && node.source !== undefined && !/^\.nan$/i.test(node.source)) return node.source;
      this.note(path, `${node.source ?? value} is not a number that JSON can hold`, offsetOf(node), QUOTE_IT);
      return String(value);
    }
    if (typeof value === 'symbol') return node.source ?? '<<';
    return (value ?? null) as JsonValue;
  }

  private count(size: number, node: Node, path: Path): void {
    this.values += size;
    if (this.values > MAX_VALUES) this.stop('too large once its aliases are expanded', node, path);
  }

  private stop(message: string, node: Node, path: Path): never {
    this.note(path, `malformed config: ${message}`, offsetOf(node));
    throw new Stop();
  }

  private note(path: Path, message: string, offset: number, hint?: string): void {
    if (this.findings.length >= MAX_FINDINGS) return;
    this.findings.push({ path, message, ...(hint === undefined ? {} : { hint }), place: this.placeAt(offset) });
  }

  private offsetOf(root: JsonValue | undefined, path: Path, onKey: boolean): number {
    let at: unknown = root;
    let offset = this.marks.get(root as object)?.own ?? 0;
    for (const [index, step] of path.entries()) {
      const item = typeof at === 'object' && at !== null ? this.marks.get(at)?.items.get(step) : undefined;
      if (item === undefined) break;
      offset = onKey && index === path.length - 1 ? item.key : item.value;
      at = (at as Record<string | number, unknown>)[step];
    }
    return offset;
  }
}

const QUOTE_IT = 'put it in quotes';

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

function isMergeKey(key: Node): boolean {
  return isScalar(key) && key.type === 'PLAIN' && key.source === '<<';
}
