import { Module } from '@nestjs/common';
import { CredentialsService } from './credentials.service.js';
import { KeptSources } from './kept-sources.js';
import { SigningKeys } from './signing-keys.js';

@Module({ providers: [CredentialsService, KeptSources, SigningKeys], exports: [CredentialsService, SigningKeys] })
export class CredentialsModule {}
