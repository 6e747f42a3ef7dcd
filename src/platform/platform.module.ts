import { Global, Module, type DynamicModule } from '@nestjs/common';
import type { Clock } from './clock.js';
import type { Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { Settings } from './settings.js';
import { CLOCK, LOGGER } from './tokens.js';

/** The only global module: settings, logger, clock and metrics for every room. */
@Global()
@Module({})
export class PlatformModule {
  static with(settings: Settings, log: Logger, clock: Clock): DynamicModule {
    const providers = [
      { provide: Settings, useValue: settings },
      { provide: LOGGER, useValue: log },
      { provide: CLOCK, useValue: clock },
      { provide: Metrics, useValue: new Metrics().watchProcess('weir') },
    ];
    return { module: PlatformModule, providers, exports: providers };
  }
}
