import { Module } from '@nestjs/common';
import { LOGGER, Settings, type Logger } from '../platform/index.js';
import { AccountsService } from './accounts.service.js';
import { AuditService } from './audit.service.js';
import { AuthService } from './auth.service.js';
import { BrowserLogins } from './browser-logins.js';
import { CONNECTORS, LocalConnector, type Connector } from './connector.js';
import { providersOf } from './connectors/providers.js';
import { Gatekeeper } from './gatekeeper.js';
import { PasswordQueue } from './password-queue.js';
import { RolePolicy } from './role-policy.js';
import { TeamsService } from './teams.service.js';
import { TokensService } from './tokens.service.js';

const services = [AccountsService, AuditService, AuthService, BrowserLogins, Gatekeeper, TeamsService, TokensService];

/** Who is asking, and what they may. */
@Module({
  providers: [
    ...services,
    PasswordQueue,
    LocalConnector,
    {
      provide: CONNECTORS,
      useFactory: (local: LocalConnector, settings: Settings, log: Logger): readonly Connector[] => [
        local,
        ...providersOf(settings, log),
      ],
      inject: [LocalConnector, Settings, LOGGER],
    },
    {
      provide: RolePolicy,
      useFactory: ({ roleFile }: Settings): RolePolicy =>
        roleFile === '' ? RolePolicy.standard : RolePolicy.ofFile(roleFile),
      inject: [Settings],
    },
  ],
  exports: [...services, CONNECTORS],
})
export class AuthModule {}
