import { describe, expect, it } from '@jest/globals';
import { parseInput } from '../../src/resources/parse-input.js';
import { registryImage } from './index.js';
import { parseRepository } from './reference.js';

const source = (value: unknown) => parseInput(registryImage.schema.source, value, 'source');
const putParams = (value: unknown) => parseInput(registryImage.schema.putParams, value, 'params');

describe('parseRepository', () => {
  it.each([
    ['alpine', 'registry-1.docker.io', 'library/alpine', true],
    ['concourse/concourse', 'registry-1.docker.io', 'concourse/concourse', true],
    ['docker.io/alpine', 'registry-1.docker.io', 'library/alpine', false],
    ['index.docker.io/a/b', 'registry-1.docker.io', 'a/b', false],
    ['localhost/app', 'localhost', 'app', false],
    ['registry.test:5000/a/b/c', 'registry.test:5000', 'a/b/c', false],
    ['[::1]:5000/app', '[::1]:5000', 'app', false],
    ['registry.test/a__b/c--d.e', 'registry.test', 'a__b/c--d.e', false],
  ])('reads %s', (text, host, name, isUnqualified) => {
    expect(parseRepository(text)).toEqual({ host, name, isUnqualified });
  });

  it.each(['', 'Alpine', 'alpine:3', 'alpine@sha256:0', 'https://registry.test/a', 'registry.test/', 'a//b', '../a', 'a/..', 'user@registry.test/a', 'registry.test:99999/a', 'registry.test/a?b', 'a b'])(
    'refuses %j',
    (text) => {
      expect(parseRepository(text)).toBeUndefined();
    },
  ); // prettier-ignore
});

describe('source of registry-image', () => {
  it.each([
    [{ repository: 'a', aws_region: 'eu-1' }, 'aws_region: is not supported: AWS logins are not made here'],
    [{ repository: 'a', azure_acr: true }, 'azure_acr: is not supported: Azure logins are not made here'],
    [{ repository: 'a', content_trust: {} }, 'content_trust: is not supported: images are not signed'],
    [{ repository: 'a', label_regex: {} }, 'label_regex: is not supported'],
    [{ repository: 'a:b' }, "repository: is not the name of a repository, such as 'alpine'"],
    [{ repository: 'a', tag: 'b c' }, 'tag: is not a valid tag'],
    [{ repository: 'a', tag: 'b', tag_regex: 'c' }, 'tag_regex: cannot be combined with tag'],
    [{ repository: 'a', tag_regex: '(' }, 'tag_regex: is not a valid regular expression'],
    [{ repository: 'a', semver_constraint: 'new' }, 'semver_constraint: is not a valid constraint'],
    [{ repository: 'a', username: 'u' }, 'password: is missing beside username'],
    [{ repository: 'a', registry_mirror: { host: 'https://m.test' } }, 'registry_mirror.host: is not a host'],
    [{ repository: 'a', pre_relaeses: true }, 'pre_relaeses: unknown key; did you mean "pre_releases"?'],
  ])('refuses %j', (value, message) => {
    expect(() => source(value)).toThrow(message);
  });

  it('takes tags that YAML reads as numbers, and empty credentials as none', () => {
    expect(source({ repository: 'a', tag: 22, username: '', password: '' })).toMatchObject({ tag: '22' });
  });

  it('is limited by the host of the registry', () => {
    expect(registryImage.hostOf!(source({ repository: 'registry.test:5000/a' }))).toBe('registry.test:5000');
  });
});

describe('params of put', () => {
  it.each([
    [{}, 'image: is missing'],
    [{ image: 'a', bump_aliases: true }, 'bump_aliases: needs version'],
    [{ image: 'a', tag_prefix: 'v' }, 'tag_prefix: needs additional_tags'],
    [{ image: 'a', version: '1 2' }, 'version: is not a valid tag'],
  ])('refuses %j', (value, message) => {
    expect(() => putParams(value)).toThrow(message);
  });
});
