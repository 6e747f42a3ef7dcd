import { Module, type Type } from '@nestjs/common';
import { MODULE_METADATA } from '@nestjs/common/constants.js';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { AuthModule } from '../auth/index.js';
import { BuildsModule } from '../builds/index.js';
import { CheckingModule } from '../checking/index.js';
import { CredentialsModule } from '../credentials/index.js';
import { EventsModule } from '../events/index.js';
import { PipelinesModule } from '../pipelines/index.js';
import { ResourcesModule } from '../resources/index.js';
import { SchedulingModule } from '../scheduling/index.js';
import { ApiNotFoundController } from './controllers/api-not-found.controller.js';
import { ArtifactsController } from './controllers/artifacts.controller.js';
import { AuditController } from './controllers/audit.controller.js';
import { BuildsController } from './controllers/builds.controller.js';
import { ConfigsController } from './controllers/configs.controller.js';
import { ContainersController } from './controllers/containers.controller.js';
import { InfoController } from './controllers/info.controller.js';
import { JobsController } from './controllers/jobs.controller.js';
import { LoginController } from './controllers/login.controller.js';
import { MetricsController } from './controllers/metrics.controller.js';
import { PipelinesController } from './controllers/pipelines.controller.js';
import { ResourcesController } from './controllers/resources.controller.js';
import { RootController } from './controllers/root.controller.js';
import { RuntimesController } from './controllers/runtimes.controller.js';
import { SchemaController } from './controllers/schema.controller.js';
import { SkyController } from './controllers/sky.controller.js';
import { SourcesController } from './controllers/sources.controller.js';
import { TeamsController } from './controllers/teams.controller.js';
import { TokensController } from './controllers/tokens.controller.js';
import { UsersController } from './controllers/users.controller.js';
import { VersionsController } from './controllers/versions.controller.js';
import { CausalityController } from './controllers/causality.controller.js';
import { FeedsController } from './controllers/feeds.controller.js';
import { OperatorController } from './controllers/operator.controller.js';
import { ResourceTypesController } from './controllers/resource-types.controller.js';
import { VolumesController } from './controllers/volumes.controller.js';
import { WallController } from './controllers/wall.controller.js';
import { WellKnownController } from './controllers/well-known.controller.js';
import { OPEN_API, OpenApiController } from './controllers/open-api.controller.js';
import { HealthService } from './health.service.js';
import { AuditInterceptor } from './http/audit.interceptor.js';
import { ConnectionDrain } from './http/connection-drain.js';
import { ErrorFilter } from './http/error.filter.js';
import { EventStreams } from './http/event-streams.js';
import { GateGuard } from './http/gate.guard.js';
import { IdempotencyInterceptor } from './http/idempotency.interceptor.js';
import { WebSockets } from './http/web-sockets.js';
import { openApiDocument } from './openapi/document.js';
import type { OpenApiDocument } from './openapi/types.js';

/** HTTP to services and back. Serve it with the adapter of {@link createHttpAdapter}. */
@Module({
  imports: [
    AuthModule,
    BuildsModule,
    CheckingModule,
    CredentialsModule,
    EventsModule,
    PipelinesModule,
    ResourcesModule,
    SchedulingModule,
  ],
  controllers: [
    RootController,
    InfoController,
    MetricsController,
    WellKnownController,
    SkyController,
    LoginController,
    UsersController,
    RuntimesController,
    TeamsController,
    TokensController,
    AuditController,
    PipelinesController,
    ConfigsController,
    JobsController,
    BuildsController,
    ArtifactsController,
    ContainersController,
    ResourcesController,
    VersionsController,
    WallController,
    VolumesController,
    ResourceTypesController,
    OperatorController,
    FeedsController,
    CausalityController,
    SourcesController,
    SchemaController,
    OpenApiController,
    ApiNotFoundController,
  ],
  providers: [
    ConnectionDrain,
    EventStreams,
    HealthService,
    WebSockets,
    { provide: OPEN_API, useValue: apiDocument },
    { provide: APP_FILTER, useClass: ErrorFilter },
    { provide: APP_GUARD, useClass: GateGuard },
    // The first is outermost: what is only answered again is not put on record again.
    { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
    { provide: APP_INTERCEPTOR, useClass: AuditInterceptor },
  ],
})
export class ApiModule {}

/** The OpenAPI document of every route of the module. */
export function apiDocument(): OpenApiDocument {
  return openApiDocument(Reflect.getMetadata(MODULE_METADATA.CONTROLLERS, ApiModule) as Type[]);
}
