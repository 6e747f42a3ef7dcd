import { z } from 'zod';
import { parseDurationMs } from '../../src/resources/contract.js';
import { gitAccessKeys } from '../git/shared.js';

const segment = /^(?!\.)[^\p{Cc}/\\]+$/u;
const lockName = z.string().regex(segment, 'must be the name of a lock: no "/", and no "." at the beginning');
const folder = z.string().min(1);

export const poolSource = z.strictObject({
  ...gitAccessKeys,
  pool: z
    .string()
    .refine((path) => path.split('/').every((part) => segment.test(part)), 'must be a folder such as "aws"')
    .describe('Folder of the pool in the repository, with the folders `claimed` and `unclaimed`.'),
  retry_delay: z
    .string()
    .refine((text) => (parseDurationMs(text) ?? 0) > 0, 'is not a duration such as "10s" or "1m"')
    .optional()
    .describe('Time between two looks while put waits. Default `10s`.'),
});
export type PoolSource = z.output<typeof poolSource>;

export const poolGetParams = z.strictObject({
  depth: z.int().min(1).optional().describe('Taken and without effect: the history is kept in a cache.'),
});
export type PoolGetParams = z.output<typeof poolGetParams>;

/** What put can do, each with what its param means. */
const actions = {
  acquire: z.literal(true, { error: 'can only be true' }).optional().describe('Claim any free lock; waits for one.'),
  claim: lockName.optional().describe('Claim the lock of this name; waits until it is free.'),
  release: folder.optional().describe('Folder of a get of the pool: its lock becomes free.'),
  add: folder.optional().describe('Folder with the files `name` and `metadata`: a new free lock.'),
  add_claimed: folder.optional().describe('The same, claimed from the beginning.'),
  remove: folder.optional().describe('Folder of a get of the pool: its claimed lock leaves the pool.'),
  update: folder
    .optional()
    .describe('Folder with `name` and `metadata`: the lock gets this text, when it is free; added if there is none.'),
  check: lockName.optional().describe('Wait until the lock of this name is free, without claiming it.'),
  check_unclaimed: lockName.optional().describe('Wait until the lock of this name is claimed by somebody.'),
};

export const poolPutParams = z.strictObject(actions).superRefine((params, context) => {
  const given = Object.values(params).filter((value) => value !== undefined);
  if (given.length === 1) return;
  const message = `needs one of ${Object.keys(actions).join(', ')}${given.length === 0 ? '' : ', not several'}`;
  context.addIssue({ code: 'custom', path: [], message });
});
export type PoolPutParams = z.output<typeof poolPutParams>;
