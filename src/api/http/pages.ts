import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Page } from '../../model/index.js';
import { Valid } from './validate.js';

const LARGEST_PAGE = 1_000;

/** A query's number: text of digits. */
const whole = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);

const pageQuery = z
  .object({
    limit: whole.transform((limit) => Math.min(Math.max(limit, 1), LARGEST_PAGE)).optional(),
    from: whole.optional(),
    to: whole.optional(),
    timestamps: z.string().optional(),
  })
  .transform(({ timestamps, ...page }) => ({ ...page, ...(timestamps === 'true' ? { byTime: true } : {}) }));

/** `?limit=&from=&to=&timestamps=`: bounds are ids, or unix seconds with `timestamps=true`. */
export type PageQuery = z.output<typeof pageQuery>;
export const ValidPage = new Valid<PageQuery>(pageQuery, 'the query');

/**
 * The items of a page, with one `Link` header for the older and one for the newer page if there are such.
 * Other parts of the query stay; time bounds do not, as the links name ids.
 */
export function sendPage<Item, View>(
  reply: FastifyReply,
  externalUrl: string,
  page: Page<Item>,
  toView: (item: Item) => View,
): View[] {
  const url = new URL(reply.request.url, 'http://localhost');
  const limit = url.searchParams.get('limit') ?? '100';
  const link = (bound: 'from' | 'to', id: number, rel: string): string => {
    const query = new URLSearchParams(url.searchParams);
    for (const name of ['from', 'to', 'limit', 'timestamps']) query.delete(name);
    const rest = query.toString();
    return `<${externalUrl}${url.pathname}?${bound}=${id}&limit=${limit}${rest === '' ? '' : `&${rest}`}>; rel="${rel}"`;
  };
  const links = [
    ...(page.newer === undefined ? [] : [link('from', page.newer, 'previous')]),
    ...(page.older === undefined ? [] : [link('to', page.older, 'next')]),
  ];
  if (links.length > 0) reply.header('link', links);
  return page.items.map(toView);
}
