import { describe, expect, it } from '@jest/globals';
import { localPath, withParameter } from './redirect.js';

describe('where a login leads', () => {
  it.each(['/', '/teams/main', '/fly_success?fly_port=1234', '/a?b=c%20d#e', '/teams/%C3%A4'])('may be %s', (path) => {
    expect(localPath(path)).toBe(path);
  });

  it.each([
    undefined,
    '',
    'teams',
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/%2Fevil.example',
    '/%252Fevil.example',
    '/%5Cevil.example',
    '/%25255Cevil.example',
    '/\t/evil.example',
    '/%09/evil.example',
    '/%0d%0aset-cookie:a=b',
    '/a//evil.example',
    '/%',
    'javascript:alert(1)',
    ' /x',
    `/${'%25'.repeat(20)}2F`,
  ])('is never %j', (path) => {
    expect(localPath(path)).toBe('/');
  });

  it('takes a parameter more', () => {
    expect(withParameter('/fly_success?fly_port=1', 'csrf_token', 'a b')).toBe(
      '/fly_success?fly_port=1&csrf_token=a+b',
    );
  });
});
