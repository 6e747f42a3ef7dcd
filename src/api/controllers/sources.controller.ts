import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { z } from 'zod';
import { TeamsService } from '../../auth/index.js';
import type { JsonObject } from '../../model/index.js';
import { SourcesService } from '../../pipelines/index.js';
import { OncePipe, Valid } from '../http/validate.js';
import { toSourceView } from '../mappers/source.mapper.js';

const credentials = z.union([
  z.strictObject({ private_key: z.string().min(1) }),
  z.strictObject({ username: z.string().min(1), password: z.string() }),
]);
const vars = z.record(z.string(), z.json()) as z.ZodType<JsonObject>;
const createRequest = z.strictObject({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][\w.-]*$/, 'must begin with a letter or digit and hold only letters, digits, ".", "_" and "-"'),
  uri: z.string().min(1, 'must not be empty'),
  branch: z.string().min(1).optional(),
  path_glob: z.string().min(1).optional(),
  credentials: credentials.optional(),
  vars: vars.optional(),
  interval_seconds: z.int().min(1).optional(),
  webhook_token: z.string().min(16, 'must have at least 16 letters').optional(),
});
const updateRequest = createRequest
  .omit({ name: true })
  .partial()
  .extend({
    branch: z.string().min(1).nullish(),
    credentials: credentials.nullish(),
    webhook_token: z.string().min(16, 'must have at least 16 letters').nullish(),
  });

type View = Record<string, unknown>;

/** Pipeline sources: git repositories whose files are pipelines. Ours; Concourse has none. */
@Controller('api/v1/teams/:team/sources')
export class SourcesController {
  constructor(
    @Inject(SourcesService) private readonly sources: SourcesService,
    @Inject(TeamsService) private readonly teams: TeamsService,
  ) {}

  @Get()
  async list(@Param('team') team: string): Promise<View[]> {
    const { name } = await this.teams.get(team);
    return (await this.sources.listSources(name)).map(toSourceView);
  }

  @Post()
  async create(
    @Param('team') teamName: string,
    @Body(new Valid(createRequest)) request: z.infer<typeof createRequest>,
  ): Promise<View> {
    return toSourceView(
      await this.sources.createSource({ teamName, name: request.name, uri: request.uri, ...fields(request) }),
    );
  }

  @Get(':source')
  async get(@Param('team') teamName: string, @Param('source') name: string): Promise<View> {
    return toSourceView(await this.sources.getSource({ teamName, name }));
  }

  @Put(':source')
  async update(
    @Param('team') teamName: string,
    @Param('source') name: string,
    @Body(new Valid(updateRequest)) request: z.infer<typeof updateRequest>,
  ): Promise<View> {
    return toSourceView(await this.sources.updateSource({ teamName, name, ...fields(request) }));
  }

  @Delete(':source')
  @HttpCode(204)
  remove(@Param('team') teamName: string, @Param('source') name: string): Promise<void> {
    return this.sources.removeSource({ teamName, name });
  }

  @Put(':source/sync')
  sync(@Param('team') teamName: string, @Param('source') name: string): Promise<void> {
    return this.sources.requestSync({ teamName, name });
  }

  /** Open: the source's own token is the proof. */
  @Post(':source/webhook')
  @HttpCode(200)
  webhook(
    @Param('team') teamName: string,
    @Param('source') name: string,
    @Query('webhook_token', OncePipe) token: string | undefined,
  ): Promise<void> {
    return this.sources.acceptWebhook({ teamName, name }, token ?? '');
  }
}

/** Only the given fields, so that absent ones stay as they are. */
function fields<Request extends z.infer<typeof updateRequest>>({
  uri,
  branch,
  path_glob: pathGlob,
  credentials: secret,
  vars: given,
  interval_seconds: intervalSeconds,
  webhook_token: webhookToken,
}: Request): {
  uri?: string;
  branch?: Exclude<Request['branch'], undefined>;
  pathGlob?: string;
  credentials?: Exclude<Request['credentials'], undefined>;
  vars?: JsonObject;
  intervalSeconds?: number;
  webhookToken?: Exclude<Request['webhook_token'], undefined>;
} {
  const all = { uri, branch, pathGlob, credentials: secret, vars: given, intervalSeconds, webhookToken };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
