import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Folders with pages that people read. */
const ROOTS = ['.', 'docs', 'resource-types'];

/** Every page of the repository: those at its top, and all below docs and resource-types. */
export function markdownPages(): string[] {
  const pages = ROOTS.flatMap((root) =>
    readdirSync(root, { recursive: root !== '.', encoding: 'utf8' }).map((name) => path.join(root, name)),
  );
  return pages.filter((page) => page.endsWith('.md')).sort();
}

/** A fenced block of a page. */
export interface Block {
  readonly text: string;
  /** Of its first line in the page. */
  readonly line: number;
}

/** The blocks of a page that are marked as exactly this language. */
export function blocksIn(page: string, language: string): Block[] {
  const lines = readFileSync(page, 'utf8').split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const fence = /^(\s*)```(.*)$/.exec(lines[at] ?? '');
    if (!fence) continue;
    const begin = at + 1;
    while (++at < lines.length && lines[at]?.trim() !== '```');
    const indent = fence[1]?.length ?? 0;
    if (fence[2] !== language) continue;
    blocks.push({
      text: lines
        .slice(begin, at)
        .map((line) => line.slice(indent))
        .join('\n'),
      line: begin + 1,
    });
  }
  return blocks;
}
