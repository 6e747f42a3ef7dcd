import { Readable } from 'node:stream';
import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { UserError } from '../../platform/index.js';

/** A request that does not have the asked form. Names every problem, not only the first. */
export class InvalidRequest extends UserError {
  constructor(what: string, problems: readonly { readonly path: string; readonly message: string }[]) {
    const list = problems.map((p) => (p.path === '' ? p.message : `${p.path}: ${p.message}`)).join('; ');
    super('invalid-request', `${what}: ${list}`, 400, problems);
  }
}

/** Checks a body or a query against a schema. An absent body counts as an empty one. */
@Injectable()
export class Valid<Output> implements PipeTransform<unknown, Output> {
  constructor(
    /** Also for the API's document. */
    readonly schema: z.ZodType<Output>,
    private readonly what = 'the request body',
  ) {}

  transform(value: unknown): Output {
    const result = this.schema.safeParse(value ?? {});
    if (result.success) return result.data;
    throw new InvalidRequest(
      this.what,
      result.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })),
    );
  }
}

/** {@link Valid} for a body that nobody must send. Other content than JSON, which would be passed over, is refused. */
@Injectable()
export class ValidJson<Output> extends Valid<Output> {
  override transform(value: unknown): Output {
    if (Buffer.isBuffer(value) && value.length === 0) return super.transform({});
    if (Buffer.isBuffer(value) || value instanceof Readable) {
      const message = 'expected JSON, with the header Content-Type: application/json';
      throw new InvalidRequest('the request body', [{ path: '', message }]);
    }
    return super.transform(value);
  }
}

/** A positive id in a path; anything else is refused as the contract says, with 400. */
@Injectable()
export class IdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    const id = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(id)) {
      throw new InvalidRequest('the path', [{ path: '', message: `"${text}" is not an id (a whole number)` }]);
    }
    return id;
  }
}

/** A parameter of the query that may be given once: text, or undefined. */
@Injectable()
export class OncePipe implements PipeTransform<string | string[] | undefined, string | undefined> {
  transform(value: string | string[] | undefined, { data: path = '' }: ArgumentMetadata): string | undefined {
    if (!Array.isArray(value)) return value;
    throw new InvalidRequest('the query', [{ path, message: 'is given more than once' }]);
  }
}

/** What every pause, disable and pin accepts: why. */
export const reasonBody = z.object({ reason: z.string().trim().max(2_000).optional() });
