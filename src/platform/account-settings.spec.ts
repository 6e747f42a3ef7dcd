import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { mainTeamOwners } from './account-settings.js';
import { parseSettings, type Settings } from './settings.js';

const dir = mkdtempSync(path.join(os.tmpdir(), 'weir-settings-'));
afterAll(() => rmSync(dir, { recursive: true }));

const parse = (...argv: string[]): Settings => {
  const request = parseSettings(argv, {});
  if (request.help) throw new Error('asked for help');
  return request.settings;
};

describe('settings of accounts', () => {
  it('take a secret from a file, without the end of its line', () => {
    writeFileSync(path.join(dir, 'secret'), 'hush\n');
    expect(parse('--oidc-client-secret-file', path.join(dir, 'secret')).oidcClientSecret).toBe('hush');
  });

  it.each([
    ['--ldap-bind-pw-file', '/nowhere/secret', 'is not a file that can be read'],
    ['--oidc-issuer', 'http://login.example.com', 'is not an https:// address'],
    ['--oidc-issuer', 'https://u:p@login.example.com', 'is not an https:// address'],
    ['--github-host', 'http://github.example.com', 'is not a host'],
    ['--ldap-host', 'ldaps://ldap.example.com', 'is not a host'],
    ['--trusted-proxies', '10.0.0.0/33', 'is not addresses or networks'],
    ['--trusted-proxies', 'proxy.example.com', 'is not addresses or networks'],
  ])('refuse %s %s', (flag, value, why) => {
    expect(() => parse(flag, value)).toThrow(why);
  });

  it('keep the issuer to the last slash, and make an address of a host', () => {
    expect(parse('--oidc-issuer', 'https://x.example/a/').oidcIssuer).toBe('https://x.example/a/');
    expect(parse('--github-host', 'git.example.com').githubHost).toBe('https://git.example.com');
  });

  it('name the owners of team main as teams name users and groups', () => {
    const settings = parse('--main-team-local-user=a,b', '--main-team-github-org=o', '--main-team-github-team=o:t');
    expect(mainTeamOwners(settings)).toEqual({ users: ['local:a', 'local:b'], groups: ['github:o', 'github:o:t'] });
  });
});
