import { SemVer } from 'semver';
import { describe, expect, it } from '@jest/globals';
import { aliasesOf, parseConstraint, parseVersionTag, versionTags, type TagFilter } from './semver-tags.js';

const names = (tags: readonly string[], filter: TagFilter = {}) => versionTags(tags, filter).map(({ tag }) => tag);

describe('versionTags', () => {
  it.each<[string, readonly string[], TagFilter, readonly string[]]>([
    ['orders by version and not by text', ['1.10.0', '1.9.0', '1.2.3'], {}, ['1.2.3', '1.9.0', '1.10.0']],
    ['takes versions with fewer numbers and a v', ['1', 'v1.2', '1.2.3'], {}, ['1', 'v1.2', '1.2.3']],
    ['puts the most specific of equal versions last', ['1.0.0', '1', '1.0'], {}, ['1', '1.0', '1.0.0']],
    ['takes dates with leading zeros', ['2024.01.05', '2024.01.04'], {}, ['2024.01.04', '2024.01.05']],
    ['leaves out what is no version', ['latest', '1.2.3.4', 'x1.2.3', '1.2.x', '', '1.', '.1'], {}, []],
    ['leaves out variants', ['1.2.3', '1.2.3-alpine', '1.2.4-slim'], {}, ['1.2.3']],
    ['leaves out pre-releases', ['1.2.3', '1.3.0-rc.1', '1.3.0-beta2'], {}, ['1.2.3']],
    ['takes one variant only', ['1.2.3', '1.2.3-alpine', '1.3.0-php-alpine', '1.4.0-alpine'], { variant: 'alpine' }, ['1.2.3-alpine', '1.4.0-alpine']],
    ['takes a variant of several words', ['1.2.3-php7.3-apache', '1.2.3-apache'], { variant: 'php7.3-apache' }, ['1.2.3-php7.3-apache']],
    ['takes pre-releases when asked to, in their order', ['1.0.0', '1.0.0-rc.10', '1.0.0-rc.9', '1.0.0-alpha.1', '1.0.0-slim', '1.0.0-rc.1-slim', '1.0.0-rclone'], { preReleases: true }, ['1.0.0-alpha.1', '1.0.0-rc.9', '1.0.0-rc.10', '1.0.0']],
    ['takes pre-releases of a variant', ['1.0.0-rc.1-slim', '1.0.0-slim', '1.0.0-rc.1'], { preReleases: true, variant: 'slim' }, ['1.0.0-rc.1-slim', '1.0.0-slim']],
    ['takes other words for pre-releases', ['1.0.0-dev.1', '1.0.0-rc.1'], { preReleases: true, preReleasePrefixes: ['dev'] }, ['1.0.0-dev.1']],
  ])('%s', (_title, tags, filter, expected) => {
    expect(names(tags, filter)).toEqual(expected);
  }); // prettier-ignore
});

describe('parseConstraint', () => {
  it.each([
    ['~1.2.x', ['1.2.0', '1.2.9'], ['1.1.9', '1.3.0']],
    ['>= 1.2 < 3.0.0 || >= 4.2.3', ['1.2.0', '2.9.9', '4.2.3'], ['1.1.0', '3.0.0', '4.2.2']],
    ['>=1.2, <2', ['1.2.0', '1.9.0'], ['2.0.0']],
    ['!=1.2.3', ['1.2.2', '1.2.4'], ['1.2.3']],
    ['>= 1, != 1.3.x', ['1.2.0', '1.4.0'], ['1.3.5', '0.9.0']],
    ['1.2 - 1.4.5', ['1.2.0', '1.4.5'], ['1.4.6', '1.3.0-rc.1']],
    ['^0.2.3', ['0.2.9'], ['0.3.0']],
    ['>=1.0.0-0', ['1.0.0-rc.1', '2.0.0-alpha'], ['0.9.0']],
    ['*', ['0.0.1', '9.9.9'], ['1.0.0-rc.1']],
  ])('%s', (constraint, accepted, refused) => {
    const accepts = parseConstraint(constraint);
    for (const version of accepted) expect([version, accepts(new SemVer(version))]).toEqual([version, true]);
    for (const version of refused) expect([version, accepts(new SemVer(version))]).toEqual([version, false]);
  });

  it('refuses what is none', () => {
    expect(() => parseConstraint('newest please')).toThrow(TypeError);
  });
});

describe('aliasesOf', () => {
  it.each<[string, string, readonly string[], TagFilter, readonly string[]]>([
    ['the newest of all takes all', '1.2.3', ['1.2.2', '1.1.0', 'latest', 'nightly'], {}, ['1.2', '1', 'latest']],
    ['the newest of its minor takes that', '1.2.3', ['1.2.2', '1.3.0', '2.0.0'], {}, ['1.2']],
    ['the newest of its major takes that too', '1.2.3', ['1.2.3', '2.0.0'], {}, ['1.2', '1']],
    ['an old one takes none', '1.2.3', ['1.2.4'], {}, []],
    ['pre-releases of others do not count', '1.2.3', ['1.3.0-rc.1'], {}, ['1.2', '1', 'latest']],
    ['a pre-release takes none', '1.3.0-rc.1', [], {}, []],
    ['other variants do not count', '1.2.3-slim', ['2.0.0', '2.0.0-alpine'], { variant: 'slim' }, ['1.2-slim', '1-slim', 'slim']],
  ])('%s', (_title, tag, tags, filter, expected) => {
    expect(aliasesOf(parseVersionTag(tag, filter)!, tags, filter)).toEqual(expected);
  }); // prettier-ignore
});
