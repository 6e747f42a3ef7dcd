import { Module } from '@nestjs/common';
import { ResourcesModule } from '../resources/index.js';
import { RuntimeModule } from '../runtime/index.js';
import { CustomTypes } from './custom-types.js';

@Module({ imports: [ResourcesModule, RuntimeModule], providers: [CustomTypes], exports: [CustomTypes] })
export class CustomTypesModule {}
