import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuthGuard } from './auth.guard.js';
import { AuthService } from './auth.service.js';
import { TeamsService } from './teams.service.js';

/** Importing it closes every route of the application that is not marked open. */
@Module({
  providers: [AuthService, TeamsService, { provide: APP_GUARD, useClass: AuthGuard }],
  exports: [AuthService, TeamsService],
})
export class AuthModule {}
