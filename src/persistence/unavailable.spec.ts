import { describe, expect, it } from '@jest/globals';
import { DatabaseError } from './db.js';
import { isDatabaseUnavailable } from './unavailable.js';

describe('a database that cannot be reached', () => {
  it.each([
    ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), true],
    ['a socket that is gone', new DatabaseError('connect', 'ENOENT', undefined, undefined), true],
    ['shutdown', new DatabaseError('terminating connection', '57P01', undefined, undefined), true],
    ['start-up', new DatabaseError('starting up', '57P03', undefined, undefined), true],
    ['a full pool', new Error('timeout exceeded when trying to connect'), true],
    [
      'a cut connection inside',
      new DatabaseError('x', undefined, undefined, new Error('Connection terminated unexpectedly')),
      true,
    ],
    ['a broken law', new DatabaseError('duplicate key', '23505', 'names_are_unique', undefined), false],
    ['a statement that took too long', new DatabaseError('canceling statement', '57014', undefined, undefined), false],
    ['a mistake of ours', new TypeError('x is undefined'), false],
  ])('is told from other failures: %s', (_title, error, isUnavailable) => {
    expect(isDatabaseUnavailable(error)).toBe(isUnavailable);
  });
});
