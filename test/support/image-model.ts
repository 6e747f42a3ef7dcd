import type { LayerEntry } from './image-maker.js';

type Node =
  | { kind: 'folder'; layer: number; children: Map<string, Node> }
  | { kind: 'file'; layer: number; text: string }
  | { kind: 'link'; layer: number; target: string };

type Folder = Extract<Node, { kind: 'folder' }>;

/**
 * What layers make of an empty file system, computed in memory and without any cleverness: a tree of nodes, each knowing
 * the layer that touched it last.
 * @returns path to `folder`, `file TEXT` or `link TARGET`.
 * @throws when an entry must be refused.
 */
export function applyLayers(layers: readonly (readonly LayerEntry[])[]): Record<string, string> {
  const root: Folder = { kind: 'folder', layer: 0, children: new Map() };
  layers.forEach((entries, layer) => entries.forEach((entry) => apply(root, entry, layer)));
  const listing: Record<string, string> = {};
  const list = (folder: Folder, prefix: string) => {
    for (const [name, node] of folder.children) {
      listing[prefix + name] =
        node.kind === 'folder' ? 'folder' : node.kind === 'file' ? `file ${node.text}` : `link ${node.target}`;
      if (node.kind === 'folder') list(node, `${prefix}${name}/`);
    }
  };
  list(root, '');
  return listing;
}

function apply(root: Folder, entry: LayerEntry, layer: number): void {
  const names = parts(entry.name);
  const last = names.pop()!;
  if (last === '.wh..wh..opq' || last.startsWith('.wh.')) {
    const way = resolve(root, names, layer, false);
    if (way === undefined) return;
    const folder = way.at(-1)!;
    const hidden = last === '.wh..wh..opq' ? [...folder.children.keys()] : [last.slice(4)];
    for (const name of hidden) hide(folder, name, layer);
    return;
  }
  const way = resolve(root, names, layer, true)!;
  const folder = way.at(-1)!;
  const present = folder.children.get(last);
  if (entry.type === 'link') {
    const targetNames = parts(entry.linkname!);
    const targetLast = targetNames.pop()!;
    const target = resolve(root, targetNames, layer, false)?.at(-1)?.children.get(targetLast);
    if (target === undefined || target.kind === 'folder') throw new Error('no file to link to');
    if (present?.kind === 'folder' && contains(present, target)) throw new Error('would replace its target');
    if (present !== target) folder.children.set(last, { ...target, layer });
    else target.layer = layer;
  } else if (entry.type === 'directory') {
    if (present?.kind === 'folder') present.layer = layer;
    else folder.children.set(last, { kind: 'folder', layer, children: new Map() });
  } else if (entry.type === 'symlink') {
    folder.children.set(last, { kind: 'link', layer, target: entry.linkname! });
  } else {
    folder.children.set(last, { kind: 'file', layer, text: String(entry.text) });
  }
  for (const passed of way.slice(1)) passed.layer = layer;
}

/** The folders from the root to the one named, links followed within the root. */
function resolve(root: Folder, names: readonly string[], layer: number, makes: boolean): Folder[] | undefined {
  let way = [root];
  const ahead = [...names];
  for (let links = 0; ahead.length > 0;) {
    const name = ahead.shift()!;
    if (name === '..') {
      if (way.length > 1) way.pop();
      continue;
    }
    const next = way.at(-1)!.children.get(name);
    if (next === undefined) {
      if (!makes) return undefined;
      const made: Folder = { kind: 'folder', layer, children: new Map() };
      way.at(-1)!.children.set(name, made);
      way.push(made);
    } else if (next.kind === 'folder') {
      way.push(next);
    } else if (next.kind === 'link') {
      if (++links > 40) throw new Error('too many links');
      if (next.target.startsWith('/')) way = [root];
      ahead.unshift(...parts(next.target));
    } else if (makes) {
      throw new Error('a file is in the way');
    } else {
      return undefined;
    }
  }
  return way;
}

function hide(folder: Folder, name: string, layer: number): void {
  const node = folder.children.get(name);
  if (node === undefined) return;
  if (node.layer !== layer) folder.children.delete(name);
  else if (node.kind === 'folder') for (const child of [...node.children.keys()]) hide(node, child, layer);
}

function contains(folder: Folder, node: Node): boolean {
  return [...folder.children.values()].some(
    (child) => child === node || (child.kind === 'folder' && contains(child, node)),
  );
}

function parts(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
