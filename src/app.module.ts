import { Global, Module, type DynamicModule } from '@nestjs/common';
import { ApiModule } from './api/index.js';
import { AuthModule } from './auth/index.js';
import { BuildsModule, CHECK_RUNNER, CREDENTIALS } from './builds/index.js';
import { Checker, CheckingModule } from './checking/index.js';
import { CredentialsModule, CredentialsService } from './credentials/index.js';
import { EventsModule } from './events/index.js';
import { PersistenceModule, type Db, type NotificationListener } from './persistence/index.js';
import { PipelinesModule } from './pipelines/index.js';
import { PlatformModule, type Clock, type Logger, type Settings } from './platform/index.js';
import { ResourcesModule } from './resources/index.js';
import { RetentionModule } from './retention/index.js';
import { RuntimeModule } from './runtime/index.js';
import { SchedulingModule } from './scheduling/index.js';

/** What must be open before any room can work. */
export interface Foundation {
  readonly settings: Settings;
  readonly log: Logger;
  readonly clock: Clock;
  readonly db: Db;
  readonly listener: NotificationListener;
}

/** What the engine needs of a room that it does not know. Global, so that there is one engine, whoever imports its room. */
@Global()
@Module({
  imports: [CheckingModule, CredentialsModule],
  providers: [
    { provide: CHECK_RUNNER, useExisting: Checker },
    { provide: CREDENTIALS, useExisting: CredentialsService },
  ],
  exports: [CHECK_RUNNER, CREDENTIALS],
})
class EnginePartsModule {}

/** One import per room. */
@Module({})
export class AppModule {
  static on({ settings, log, clock, db, listener }: Foundation): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(settings, log, clock),
        PersistenceModule.with(db, listener),
        EventsModule,
        AuthModule,
        PipelinesModule,
        RuntimeModule,
        ResourcesModule,
        CredentialsModule,
        CheckingModule,
        SchedulingModule,
        EnginePartsModule,
        BuildsModule,
        RetentionModule,
        ApiModule,
      ],
    };
  }
}
