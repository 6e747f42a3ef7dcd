import { Body, Controller, Get, Header, Inject, Param, Put, Query } from '@nestjs/common';
import { z } from 'zod';
import { CredentialsService } from '../../credentials/index.js';
import { didYouMean } from '../../model/index.js';
import { CLOCK, LOGGER, LoopRunner, NotFoundError, UserError, type Clock, type Logger } from '../../platform/index.js';
import { InvalidRequest, Valid } from '../http/validate.js';

/** Concourse's names of levels; ours knows more, which read as the next that it has. */
const LEVELS = ['debug', 'info', 'error', 'fatal'] as const;
const NAME_OF_LEVEL: Readonly<Record<string, (typeof LEVELS)[number]>> = {
  trace: 'debug',
  warn: 'error',
  silent: 'fatal',
};

const cliQuery = z.object({ arch: z.string().optional(), platform: z.string().optional() });

/** For those who run the server. */
@Controller('api/v1')
export class OperatorController {
  constructor(
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CredentialsService) private readonly credentials: CredentialsService,
  ) {}

  /** The server has no copies of `fly` to give away: people have one, or take it from Concourse. */
  @Get('cli')
  cli(@Query(new Valid(cliQuery, 'the query')) { arch = '', platform = '' }: z.infer<typeof cliQuery>): never {
    for (const [path, value] of Object.entries({ arch, platform })) {
      if (!/^[a-z0-9]+$/.test(value))
        throw new InvalidRequest('the query', [{ path, message: 'must hold small letters and digits only' }]);
    }
    throw new NotFoundError(
      `this server has no fly for ${platform}/${arch}; take one of Concourse's releases of the version in /api/v1/info`,
    );
  }

  @Get('info/creds')
  creds(): Promise<Record<string, unknown>> {
    return this.credentials.health();
  }

  @Get('log-level')
  @Header('content-type', 'text/plain; charset=utf-8')
  logLevel(): string {
    return NAME_OF_LEVEL[this.log.level] ?? this.log.level;
  }

  /** Of this server, until it stops. */
  @Put('log-level')
  setLogLevel(@Body() body: unknown): void {
    const wanted = Buffer.isBuffer(body) ? body.toString('utf8').trim() : '';
    const level = LEVELS.find((each) => each === wanted);
    if (!level) throw new UserError('bad-log-level', `the body must be one of: ${LEVELS.join(', ')}`);
    this.log.level = level;
    this.log.info({ level }, 'log level set');
  }

  /** The loops of this server. */
  @Get('components')
  components(): Record<string, unknown>[] {
    const now = this.clock.now().getTime();
    return LoopRunner.running().map(({ name, tickMs, lastRoundAgoMs }) => ({
      name,
      interval: Math.round(tickMs * 1e6),
      last_ran: new Date(now - lastRoundAgoMs).toISOString(),
      paused: false,
    }));
  }

  @Put('components/pause')
  pauseAll(): never {
    throw cannotPause();
  }

  /** Nothing is ever paused, so there is nothing to do. */
  @Put('components/unpause')
  unpauseAll(): void {}

  @Put('components/:name/pause')
  pause(@Param('name') name: string): never {
    demandComponent(name);
    throw cannotPause();
  }

  @Put('components/:name/unpause')
  unpause(@Param('name') name: string): void {
    demandComponent(name);
  }
}

function demandComponent(name: string): void {
  const names = LoopRunner.running().map((loop) => loop.name);
  if (!names.includes(name)) throw new NotFoundError(`there is no component "${name}"${didYouMean(name, names)}`);
}

function cannotPause(): UserError {
  return new UserError(
    'not-supported',
    'components of this server cannot be paused; pause pipelines, jobs or resources instead',
    501,
  );
}
