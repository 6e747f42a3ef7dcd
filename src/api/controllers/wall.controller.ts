import { Body, Controller, Delete, Get, Inject, Put } from '@nestjs/common';
import { z } from 'zod';
import { clearWall, Db, readWall, writeWall } from '../../persistence/index.js';
import { UserError } from '../../platform/index.js';
import { Valid } from '../http/validate.js';

const NANOSECONDS_PER_MS = 1e6;

/** Field names as `fly` sends them; the time is in nanoseconds, 0 for ever. */
/** Go's durations end here, after 292 years. */
const LONGEST_NS = 2 ** 63;
const wallRequest = z.object({
  message: z.string().max(10_000).optional(),
  TTL: z.number().min(0).max(LONGEST_NS).nullish(),
});

/** A message for everybody. */
@Controller('api/v1/wall')
export class WallController {
  constructor(@Inject(Db) private readonly db: Db) {}

  @Get()
  async get(): Promise<Record<string, unknown>> {
    const wall = await readWall(this.db);
    if (!wall) return {};
    const { message, leftMs } = wall;
    return { message, ...(leftMs === null ? {} : { TTL: Math.round(leftMs * NANOSECONDS_PER_MS) }) };
  }

  @Put()
  async set(@Body(new Valid(wallRequest)) { message = '', TTL: ttl }: z.infer<typeof wallRequest>): Promise<void> {
    if (message.trim() === '') throw new UserError('empty-message', 'the message must not be empty');
    await this.db.tx((tx) => writeWall(tx, message, ttl ? ttl / NANOSECONDS_PER_MS : undefined));
  }

  @Delete()
  async clear(): Promise<void> {
    await this.db.tx((tx) => clearWall(tx));
  }
}
