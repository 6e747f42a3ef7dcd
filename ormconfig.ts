import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from './src/persistence/index.js';

/** Entry for the TypeORM command line (`npm run migration:run`); needs `DATABASE_URL`. */
export default new DataSource(dataSourceOptions(process.env.DATABASE_URL));
