import { Inject, Injectable } from '@nestjs/common';
import type { BuildId, JsonObject, PipelineId } from '../model/index.js';
import {
  Db,
  findBuildAccess,
  findPipelineAccess,
  visiblePipelines,
  type BuildAccessRow,
} from '../persistence/index.js';
import { NotFoundError, UserError } from '../platform/index.js';
import type { Access } from './access.js';
import { AuthService } from './auth.service.js';
import { Forbidden, NotAuthorized } from './refusals.js';
import { matrixRow, namesIn, type MatrixRow, type Rule } from './role-matrix.js';
import { provesOrigin, sessionToken } from './session.js';
import { bearerToken } from './token.js';

/** A request as the gate looks at it. */
export interface Ask {
  readonly method: string;
  /** The served route, such as `/api/v1/builds/:id`. */
  readonly route: string;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly authorization?: string | undefined;
  readonly cookies?: string | undefined;
  readonly csrfToken?: string | undefined;
  /** The instance vars of the query, read only if the route names a pipeline. @throws UserError when malformed. */
  readonly instanceVars: () => JsonObject | undefined;
}

/** Whom the gate let in, and by which row. */
export interface Admission {
  readonly access: Access;
  readonly row: MatrixRow;
  /** Asks the gate again, for answers that last: tokens expire and roles change. @throws as {@link Gatekeeper.admit} */
  readonly again: () => Promise<Admission>;
}

/** The values of a row's parameters. */
type Values = Readonly<Record<string, string>>;

/** Lets requests in by the role matrix. What has no row is refused. */
@Injectable()
export class Gatekeeper {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(AuthService) private readonly auth: AuthService,
  ) {}

  /** @throws NotAuthorized, Forbidden; NotFoundError where existence is said first. */
  async admit(ask: Ask): Promise<Admission> {
    const row = matrixRow(ask.method, ask.route);
    if (!row) throw new Forbidden(`forbidden: ${ask.method} ${ask.route} is not in the role matrix`);
    const { rule } = row;
    const again = (): Promise<Admission> => this.admit(ask);
    if (rule.gate === 'free') return { access: this.auth.nobody(), row, again };
    const access = await this.authenticate(ask);
    const names = namesIn(ask.route);
    const values = Object.fromEntries(
      row.parameters.map((name, place) => [name, ask.params[names[place] ?? ''] ?? '']),
    );
    await this.pass(rule, access, values, ask);
    const isBare = rule.gate === 'open' && !access.isForAction(rule);
    return { access: isBare ? access.withoutRoles() : access, row, again };
  }

  /** Ids of the pipelines that they may see among all; undefined: every one. */
  async visiblePipelineIds(access: Access): Promise<ReadonlySet<PipelineId> | undefined> {
    if (access.isAdmin) return undefined;
    const globs = access.token?.pipelines;
    const rows = await visiblePipelines(this.db, access.visibleTeamIds);
    return new Set(rows.filter((row) => row.public || !globs || access.coversPipeline(row.name)).map(({ id }) => id));
  }

  private async authenticate(ask: Ask): Promise<Access> {
    const byHeader = bearerToken(ask.authorization);
    const token = byHeader ?? sessionToken(ask.cookies);
    if (token === undefined) return this.auth.nobody();
    const access = await this.auth.access(token);
    if (!access) throw new NotAuthorized();
    if (byHeader === undefined) demandOwnPage(ask, token, access);
    return access;
  }

  private async pass(rule: Rule, access: Access, values: Values, ask: Ask): Promise<void> {
    switch (rule.gate) {
      case 'open':
      case 'free':
        return;
      case 'pipeline':
        return this.passPipeline(rule, access, values, ask);
      case 'build':
      case 'private-build':
        return this.passBuild(rule, access, values);
      default:
    }
    if (!access.isAuthenticated) throw new NotAuthorized();
    if (rule.gate === 'build-change') return this.passBuild(rule, access, values);
    if (!mayPass(rule, access, values)) throw new Forbidden();
  }

  private async passPipeline(rule: Rule, access: Access, values: Values, ask: Ask): Promise<void> {
    const { team = '', pipeline = '' } = values;
    const vars = ask.instanceVars();
    const isAllowed = access.may(rule, team, pipeline);
    const key = { teamName: team, name: pipeline, ...(vars ? { instanceVars: vars } : {}) };
    const isPublic = await findPipelineAccess(this.db, key);
    if (isAllowed || isPublic === true) return; // those of the team hear from the service what there is instead
    if (isPublic === undefined) throw new NotFoundError('there is no such pipeline');
    throw access.isAuthenticated ? new Forbidden() : new NotAuthorized();
  }

  private async passBuild(rule: Rule, access: Access, { id = '' }: Values): Promise<void> {
    if (!/^\d{1,15}$/.test(id))
      throw new UserError('invalid-request', `the path: "${id.slice(0, 50)}" is not an id (a whole number)`);
    const build = await findBuildAccess(this.db, Number(id) as BuildId);
    if (!build) throw new NotFoundError(`build ${id} does not exist`);
    if (access.may(rule, build.teamName, build.pipelineName ?? undefined) || isOpenBuild(rule, build)) return;
    throw access.isAuthenticated ? new Forbidden() : new NotAuthorized();
  }
}

function mayPass(rule: Rule, access: Access, { team = '', pipeline }: Values): boolean {
  switch (rule.gate) {
    case 'authenticated':
      return true;
    case 'any-team':
      return access.mayAnywhere(rule);
    case 'team':
      return access.may(rule, team, pipeline);
    case 'admin':
    case 'worker':
      return access.isAdmin;
    default:
      return false;
  }
}

function isOpenBuild({ gate }: Rule, build: BuildAccessRow): boolean {
  if (gate === 'build-change' || !build.isPublic) return false;
  return gate === 'build' || build.isJobPublic;
}

/**
 * A browser sends its cookie whoever made it ask: only our own pages may change something by it. (Who opens a web socket is
 * looked at where it is accepted.)
 */
function demandOwnPage({ method, csrfToken, cookies }: Ask, token: string, access: Access): void {
  if (access.token?.kind !== 'login') throw new NotAuthorized();
  if (['GET', 'HEAD', 'OPTIONS'].includes(method)) return;
  if (!provesOrigin(token, csrfToken, cookies)) throw new NotAuthorized();
}
