import { Readable } from 'node:stream';
import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AuditService } from '../../auth/index.js';
import { auditLine, type AuditFilter, type AuditRow, type AuditVerdict } from '../../persistence/index.js';
import { Valid } from '../http/validate.js';

const MOST_ENTRIES = 1_000;
const seq = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional();
const auditQuery = z.object({
  team: z.string().optional(),
  user: z.string().optional(),
  action: z.string().optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
  before: seq,
  after: seq,
  limit: z.coerce.number().int().min(1).max(MOST_ENTRIES).default(100),
  format: z.enum(['json', 'jsonl']).default('json'),
});
type AuditQuery = z.infer<typeof auditQuery>;
const ValidQuery = new Valid<AuditQuery>(auditQuery, 'the query');

/** Who changed what. Ours; Concourse has only its log. */
@Controller('api/v1')
export class AuditController {
  constructor(@Inject(AuditService) private readonly audit: AuditService) {}

  /** Newest first. With `format=jsonl` all that match, oldest first, an entry a line, each with the hash of its chain. */
  @Get('audit')
  async list(@Query(ValidQuery) query: AuditQuery, @Res() reply: FastifyReply): Promise<void> {
    await this.send(query, filterOf(query), reply);
  }

  /** The same of one team, for its owners. */
  @Get('teams/:team/audit')
  async listOfTeam(
    @Param('team') team: string,
    @Query(ValidQuery) query: AuditQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.send(query, { ...filterOf(query), team }, reply);
  }

  /** Does the chain of hashes hold? */
  @Get('audit/verify')
  async verify(): Promise<Record<string, unknown>> {
    return verdictView(await this.audit.verify());
  }

  private async send({ format, limit }: AuditQuery, filter: AuditFilter, reply: FastifyReply): Promise<void> {
    if (format === 'json') return void (await reply.send((await this.audit.list(filter, limit)).map(toAuditView)));
    await reply.type('application/jsonl').send(Readable.from(lines(this.audit.export(filter))));
  }
}

function filterOf({ team, user, action, since, until, before, after }: AuditQuery): AuditFilter {
  return {
    team,
    userName: user,
    action,
    since: since === undefined ? undefined : new Date(since),
    until: until === undefined ? undefined : new Date(until),
    beforeSeq: before,
    afterSeq: after,
  };
}

async function* lines(entries: AsyncIterable<AuditRow>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${JSON.stringify(toAuditView(entry))}\n`;
}

function toAuditView(entry: AuditRow): Record<string, unknown> {
  return { ...auditLine(entry), hash: entry.hash };
}

function verdictView({ entries, lastHash, broken }: AuditVerdict): Record<string, unknown> {
  return { intact: broken === undefined, entries, last_hash: lastHash, ...(broken ? { broken } : {}) };
}
