import { Inject, Injectable } from '@nestjs/common';
import {
  Db,
  listAudit,
  verifyAudit,
  type AuditFilter,
  type AuditRow,
  type AuditVerdict,
} from '../persistence/index.js';

const EXPORT_PAGE = 1_000;

/** The record of changes, for those who may read it. */
@Injectable()
export class AuditService {
  constructor(@Inject(Db) private readonly db: Db) {}

  /** Newest first, unless the filter asks for what follows an entry. */
  async list(filter: AuditFilter, limit: number): Promise<AuditRow[]> {
    return listAudit(this.db, filter, limit);
  }

  /** All that match, oldest first, page by page: the log may be longer than memory. */
  async *export(filter: AuditFilter): AsyncGenerator<AuditRow> {
    let afterSeq = filter.afterSeq ?? 0;
    for (;;) {
      const page = await listAudit(this.db, { ...filter, afterSeq }, EXPORT_PAGE);
      yield* page;
      const last = page.at(-1);
      if (!last || page.length < EXPORT_PAGE) return;
      afterSeq = last.seq;
    }
  }

  /** Computes the whole chain again. */
  async verify(): Promise<AuditVerdict> {
    return verifyAudit(this.db);
  }
}
