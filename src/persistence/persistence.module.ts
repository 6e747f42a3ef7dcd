import { Module, type DynamicModule } from '@nestjs/common';
import { Db } from './db.js';
import { NotificationListener } from './notify.js';

/** Gives rooms the open database. Whoever opened it closes it. */
@Module({})
export class PersistenceModule {
  static with(db: Db, listener: NotificationListener): DynamicModule {
    const providers = [
      { provide: Db, useValue: db },
      { provide: NotificationListener, useValue: listener },
    ];
    return { module: PersistenceModule, global: true, providers, exports: providers };
  }
}
