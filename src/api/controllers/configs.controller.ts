import { Body, Controller, Get, Headers, Inject, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CredentialError, CredentialsService } from '../../credentials/index.js';
import type { PipelineConfig } from '../../model/index.js';
import {
  formatProblem,
  parsePipeline,
  PipelinesService,
  validatePipelineConfig,
  type ByWhom,
  type Parsed,
  type PipelineRef,
  type Problem,
} from '../../pipelines/index.js';
import { UserError } from '../../platform/index.js';
import { PipelinePath } from '../http/params.js';
import { Who } from '../http/who.js';

const VERSION_HEADER = 'x-concourse-config-version';

interface SavedConfig {
  readonly warnings?: readonly { readonly type: string; readonly message: string }[];
}

/** A pipeline's config, given back field for field as it was set. */
@Controller('api/v1/teams/:team/pipelines/:pipeline/config')
export class ConfigsController {
  constructor(
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(CredentialsService) private readonly credentials: CredentialsService,
  ) {}

  @Get()
  async get(
    @PipelinePath() ref: PipelineRef,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ config: PipelineConfig }> {
    const { config, version } = await this.pipelines.getConfig(ref);
    reply.header(VERSION_HEADER, String(version));
    return { config };
  }

  @Put()
  async set(
    @PipelinePath() ref: PipelineRef,
    @Headers('content-type') contentType: string | undefined,
    @Headers(VERSION_HEADER) version: string | undefined,
    @Query() query: Readonly<Record<string, unknown>>,
    @Body() body: unknown,
    @Who() { by }: ByWhom,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SavedConfig> {
    const { config, problems, warnings } = parse(contentType, body);
    if (!config) throw new InvalidConfig(problems);
    if ('check_creds' in query) await this.demandValues(config, ref);
    const expected = expectedVersion(version);
    const request = { ...ref, config, by, ...(expected === undefined ? {} : { expectedVersion: expected }) };
    const { created } = await this.pipelines.setPipeline(request).catch(asInvalidConfig);
    reply.status(created ? 201 : 200);
    const list = warnings.map((warning) => ({ type: warning.type, message: formatProblem(warning) }));
    return list.length > 0 ? { warnings: list } : {};
  }

  /** @throws InvalidConfig when a var has no value now. */
  private async demandValues(config: PipelineConfig, { teamName, name: pipelineName }: PipelineRef): Promise<void> {
    const missing = await this.credentials.missing(config, { teamName, pipelineName }).catch((error: unknown) => {
      if (!(error instanceof CredentialError)) return asInvalidConfig(error);
      throw new InvalidConfig([{ path: '', message: `credential validation: ${error.message}` }]);
    });
    if (missing.length === 0) return;
    throw new InvalidConfig(
      missing.map((text) => ({ path: '', message: `credential validation: ((${text})) has no value` })),
    );
  }
}

function parse(contentType: string | undefined, body: unknown): Parsed<PipelineConfig> {
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return validatePipelineConfig(body);
  if (type === 'application/x-yaml') return parsePipeline(Buffer.isBuffer(body) ? body.toString('utf8') : '');
  throw new UserError(
    'unsupported-media-type',
    `a config is application/x-yaml or application/json, not "${type}"`,
    415,
  );
}

/**
 * The version that the sender believes to be stored: an empty header is 0, "there is none". Without the header whatever is
 * there is replaced, which the contract leaves to us.
 */
function expectedVersion(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '') return 0;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  throw new InvalidConfig([{ path: '', message: `config version is malformed: "${header.slice(0, 50)}"` }]);
}

/** Texts under `errors`, as clients of Concourse print them; the same with fields under `problems`. */
class InvalidConfig extends UserError {
  constructor(problems: readonly Problem[]) {
    const errors = problems.map(formatProblem);
    super('invalid-config', `the config was refused: ${errors.join('; ')}`, 400, { errors, problems });
  }
}

/** Clients of Concourse read a 400 as a list of errors, so one about the name becomes such a list. */
function asInvalidConfig(error: unknown): never {
  if (error instanceof UserError && error.status === 400)
    throw new InvalidConfig([{ path: '', message: error.message }]);
  throw error;
}
