import { expect, it } from '@jest/globals';
import { seal, unseal } from './seal.js';

it('what is sealed opens with the same token only, and unchanged only', () => {
  const sealed = seal('{"token": "x"}', 'mine');
  expect(sealed.toString('latin1')).not.toContain('token');
  expect(unseal(sealed, 'mine')).toBe('{"token": "x"}');
  expect(() => unseal(sealed, 'yours')).toThrow();
  expect(() => unseal(Buffer.concat([sealed.subarray(0, -1), Buffer.from([sealed.at(-1)! ^ 1])]), 'mine')).toThrow();
  expect(seal('same', 'mine')).not.toEqual(seal('same', 'mine'));
});
