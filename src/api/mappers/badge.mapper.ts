import type { JobStatus } from '../../persistence/index.js';

/** What a badge says: the worst that the last builds say, by this order. */
const VERDICTS = [
  { status: 'aborted', word: 'aborted', colour: '#8f4b2d' },
  { status: 'errored', word: 'errored', colour: '#fe7d37' },
  { status: 'failed', word: 'failing', colour: '#e05d44' },
  { status: 'succeeded', word: 'passing', colour: '#4c1' },
] as const;
const UNKNOWN = { word: 'unknown', colour: '#9f9f9f' };

/** A small picture that tells how the jobs' last builds ended. `title` stands at its left. */
export function toBadge(jobs: readonly JobStatus[], title: string): string {
  const { word, colour } = VERDICTS.find(({ status }) => jobs.some((job) => job.lastStatus === status)) ?? UNKNOWN;
  const [left, right] = [widthOf(title), widthOf(word)];
  const text = (at: number, content: string): string =>
    `<text x="${at}" y="15" fill="#010101" fill-opacity=".3">${content}</text><text x="${at}" y="14">${content}</text>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="20" role="img" aria-label="${escapeXml(title)}: ${word}">
<clipPath id="r"><rect width="${left + right}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="${left}" height="20" fill="#555"/><rect x="${left}" width="${right}" height="20" fill="${colour}"/></g>
<g fill="#fff" text-anchor="middle" font-family="DejaVu Sans,Verdana,Geneva,sans-serif" font-size="11">
${text(left / 2, escapeXml(title))}
${text(left + right / 2, word)}
</g>
</svg>
`;
}

/** About as wide as the text is in the badge's font. */
function widthOf(text: string): number {
  return Math.round([...text].length * 6.8) + 10;
}

export function escapeXml(text: string): string {
  // Control characters may not stand in XML at all.
  return text.replace(/\p{Cc}/gu, ' ').replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
