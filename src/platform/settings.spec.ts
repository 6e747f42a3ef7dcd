import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseSettings, settingsHelp, SettingError, type Settings } from './settings.js';

const parse = (argv: string[], env: Record<string, string> = {}): Settings => {
  const request = parseSettings(argv, env);
  if (request.help) throw new Error('asked for help');
  return request.settings;
};

describe('settings', () => {
  it('has a default for everything', () => {
    expect(parse([])).toMatchObject({
      port: 8080,
      bindAddress: '127.0.0.1',
      hasExample: true,
      checkIntervalMs: 60_000,
      sources: [],
    });
    expect(parse([]).dataDir).toBe(`${process.cwd()}/.weir`);
  });

  it('reads flags in both forms', () => {
    expect(parse(['--port', '9', '--check-interval=90s', '--no-example'])).toMatchObject({
      port: 9,
      checkIntervalMs: 90_000,
      hasExample: false,
    });
  });

  it('takes every flag from the environment too, and lets the flag win', () => {
    const env = { WEIR_PORT: '1', WEIR_BIND: '::1', WEIR_NO_EXAMPLE: 'yes', WEIR_SOURCE: 'a=/x b=/y#main' };
    expect(parse(['--port=2'], env)).toMatchObject({
      port: 2,
      bindAddress: '::1',
      hasExample: false,
      sources: [
        { name: 'a', uri: '/x' },
        { name: 'b', uri: '/y', branch: 'main' },
      ],
    });
    expect(parse([], { DATABASE_URL: 'postgres://h/d' }).databaseUrl).toBe('postgres://h/d');
  });

  it('takes one credential manager, by the keys of a var source', () => {
    const { vault } = parse(['--vault-url', 'https://v/', '--vault-auth-backend-max-ttl=1h'], {
      WEIR_VAULT_AUTH_PARAM: 'role_id:r,secret_id:a:b',
      WEIR_VAULT_LOOKUP_TEMPLATES: '/{{.Team}}/{{.Secret}},/{{.Secret}}',
      WEIR_VAULT_INSECURE_SKIP_VERIFY: 'true',
    });
    expect(vault).toEqual({
      url: 'https://v',
      auth_max_ttl: '1h',
      auth_params: { role_id: 'r', secret_id: 'a:b' },
      lookup_templates: ['/{{.Team}}/{{.Secret}}', '/{{.Secret}}'],
      insecure_skip_verify: true,
    });
  });

  it.each([
    ['ci=https://git.example.com/app.git', { name: 'ci', uri: 'https://git.example.com/app.git' }],
    ['ci=git@example.com:app.git#main', { name: 'ci', uri: 'git@example.com:app.git', branch: 'main' }],
    ['ci=/repo#main:ci/*.yml', { name: 'ci', uri: '/repo', branch: 'main', glob: 'ci/*.yml' }],
    ['ci=/repo#:ci/*.yml', { name: 'ci', uri: '/repo', glob: 'ci/*.yml' }],
  ])('reads the source %s', (text, source) => {
    expect(parse(['--source', text]).sources).toEqual([source]);
  });

  it.each([
    [['--vault-path-prefix', 'x'], {}, '--vault-path-prefix needs --vault-url'],
    [['--kubernetes-token-file', 'x'], {}, '--kubernetes-token-file needs --kubernetes-in-cluster or --kubernetes-url'],
    [
      ['--vars-dir', '/v', '--aws-ssm-region', 'r'],
      {},
      'the server has one source of values: give only one of --vars-dir, --aws-ssm-region; pipelines may have more in var_sources',
    ],
    [['--vault-auth-param', 'secret'], {}, '--vault-auth-param: the value is not name:value, with commas between'],
    [['--prot', '1'], {}, 'unknown flag --prot; did you mean "--port"? --help lists the flags'],
    [['serve'], {}, 'unknown flag serve; --help lists the flags'],
    [['--port'], {}, '--port needs a value: a whole number from 0 to 65535'],
    [['--port', '99999'], {}, '--port: "99999" is not a whole number from 0 to 65535'],
    [['--port=1', '--port=2'], {}, '--port is given twice'],
    [['--check-timeout', '5'], {}, '--check-timeout: "5" is not a duration longer than 0, such as 90s or 1h30m'],
    [
      [],
      { WEIR_LOG_LEVEL: 'loud' },
      'WEIR_LOG_LEVEL: "loud" is not one of fatal, error, warn, info, debug, trace, silent',
    ],
    [
      [],
      { DATABASE_URL: 'mysql://u:secret@h' },
      'DATABASE_URL: the value is not an address that begins with postgres:// or postgresql://',
    ],
    [['--source', 'nothing'], {}, '--source: the value is not name=uri, name=uri#branch or name=uri#branch:glob'],
  ])('refuses %j %j', (argv, env, message) => {
    expect(() => parse(argv, env)).toThrow(new SettingError(message));
  });

  it('reads local users and owners of the main team as lists with commas', () => {
    const env = { WEIR_ADD_LOCAL_USER: 'test:test,ana:a:b$c', WEIR_MAIN_TEAM_LOCAL_USER: 'test, ana' };
    expect(parse([], env)).toMatchObject({
      localUsers: [
        { name: 'test', password: 'test' },
        { name: 'ana', password: 'a:b$c' },
      ],
      mainTeamUsers: ['test', 'ana'],
    });
  });

  it.each(['ana', 'ana:', ':secret', 'ana:secret,', 'ana:$2a$10$secretsecret'])(
    'refuses the local user %s without repeating its password',
    (text) => {
      expect(() => parse(['--add-local-user', text])).toThrow(/--add-local-user: the value is not name:password/);
    },
  );

  it('reads runtimes in their order, their tags and their slots', () => {
    const argv = ['--runtime', 'host,docker', '--runtime-tags', 'docker=linux,big', '--slots', 'docker=20,host=4'];
    expect(parse(argv)).toMatchObject({
      runtime: 'host,docker',
      runtimeTags: [{ runtime: 'docker', tags: ['linux', 'big'] }],
      slots: { docker: 20, host: 4 },
    });
  });

  it.each([
    ['--runtime', 'host,host'],
    ['--runtime', 'auto,host'],
    ['--runtime', 'podman'],
    ['--runtime-tags', 'docker='],
    ['--runtime-tags', 'gpu'],
    ['--slots', 'docker=0'],
    ['--slots', 'dockr=4'],
  ])('refuses %s %s', (flag, text) => {
    expect(() => parse([flag, text])).toThrow(`${flag}: "${text}" is not `);
  });

  it('is not confused by the variable that Kubernetes makes of a service called weir', () => {
    expect(parse([], { WEIR_PORT: 'tcp://10.0.0.1:80' }).port).toBe(8080);
  });

  it('derives the external address from bind and port unless it is given', () => {
    expect(parse(['--port=1', '--bind=0.0.0.0']).externalUrl).toBe('http://127.0.0.1:1');
    expect(parse(['--bind=::1']).externalUrl).toBe('http://[::1]:8080');
    expect(parse(['--external-url=https://ci.example.com/']).externalUrl).toBe('https://ci.example.com');
  });

  it('explains every flag in the help', () => {
    expect(parseSettings(['--port', '1', '--help'], {})).toEqual({ help: true });
    expect(settingsHelp()).toContain('--check-interval <duration>');
  });
});

// `npm start -- --help` prints this file, so that it need not install and build first.
it('has its help in docs/reference/flags.txt (npx jest settings -u writes it)', () => {
  const file = new URL('../../docs/reference/flags.txt', import.meta.url);
  const help = `${settingsHelp()}\n`;
  if (process.argv.includes('-u')) writeFileSync(file, help);
  expect(readFileSync(file, 'utf8')).toBe(help);
});
