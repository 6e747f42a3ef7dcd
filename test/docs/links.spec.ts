import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { markdownPages } from './markdown.js';

const pages = markdownPages();
/** Without code, in which brackets mean something else. */
const prose = (page: string): string =>
  readFileSync(page, 'utf8')
    .replace(/```[^]*?```/g, '')
    .replace(/`[^`\n]*`/g, 'code');

describe('links in Markdown', () => {
  it.each(pages)('of %s lead to files and headings that are there', (page) => {
    const targets = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    expect(targets.filter((target) => !/^(https?|mailto):/.test(target) && !isThere(page, target))).toEqual([]);
  });

  it('lead from docs/README.md to every page, if only by its folder', () => {
    const index = readFileSync('docs/README.md', 'utf8');
    const linked = [...index.matchAll(/\]\(([^)\s#]+)/g)].map(([, target = '']) => path.join('docs', target));
    const isLinked = (page: string): boolean => linked.some((target) => target === page || inFolderOf(target, page));
    expect(pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md' && !isLinked(page))).toEqual(
      [],
    );
  });
});

/** A link to a folder, or to its README, is one to all pages in it. */
function inFolderOf(target: string, page: string): boolean {
  const folder = path.basename(target) === 'README.md' ? path.dirname(target) : target.replace(/\/$/, '');
  return !target.endsWith('.md') || path.basename(target) === 'README.md' ? page.startsWith(`${folder}/`) : false;
}

function isThere(page: string, target: string): boolean {
  const [file = '', heading] = target.split('#');
  const to = file === '' ? page : path.join(path.dirname(page), file);
  if (!existsSync(to)) return false;
  return heading === undefined || !to.endsWith('.md') || headingsOf(to).includes(heading);
}

/** As the ids that GitHub gives them. */
function headingsOf(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
