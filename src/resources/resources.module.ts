import { Module } from '@nestjs/common';
import { ResourceTypeRegistry } from './registry.js';
import { ResourcesService } from './resources.service.js';

@Module({ providers: [ResourcesService, ResourceTypeRegistry], exports: [ResourcesService, ResourceTypeRegistry] })
export class ResourcesModule {}
