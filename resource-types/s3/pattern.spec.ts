import { describe, expect, it } from '@jest/globals';
import {
  compareNumbered,
  compilePattern,
  folderOfPattern,
  matchPaths,
  parseNumbered,
  prefixOfPattern,
} from './pattern.js';

describe('regexp of s3', () => {
  it('orders paths by the number in them, and leaves out what is none', () => {
    const paths = ['a-1.10.tgz', 'a-1.9.tgz', 'a-latest.tgz', 'a-2.tgz', 'b-3.tgz', 'a-1.9.tgz.sha'];
    expect(matchPaths('a-(.*)\\.tgz', paths).map(({ path }) => path)).toEqual(['a-1.9.tgz', 'a-1.10.tgz', 'a-2.tgz']);
  });

  it('takes the group named version, also as Go writes it', () => {
    const pattern = '(linux|mac)/app-(?P<version>[0-9.]+)';
    expect(matchPaths(pattern, ['mac/app-1.2']).map(({ number }) => number.text)).toEqual(['1.2']);
  });

  it.each([
    ['1.2.3-rc.1', '1.2.3'],
    ['1.2.3-rc.2', '1.2.3-rc.10'],
    ['1.2.3-alpha', '1.2.3-beta'],
    ['1.2.3-rc', '1.2.3-rc.1'],
    ['1.2', '1.2.0.1'],
    ['v9', '10'],
    ['20261121180000123456789', '20261121180000123456790'],
    ['1.0.0rc1', '1.0.0'],
    ['1.0.0-1', '1.0.0'],
  ])('%s comes before %s', (one, other) => {
    expect(compareNumbered(parseNumbered(one)!, parseNumbered(other)!)).toBeLessThan(0);
    expect(compareNumbered(parseNumbered(other)!, parseNumbered(one)!)).toBeGreaterThan(0);
  });

  it.each(['1.0', '1', 'v1.0.0', '1.0.0+build.7'])('%s is as high as 1.0.0', (text) => {
    expect(compareNumbered(parseNumbered(text)!, parseNumbered('1.0.0')!)).toBe(0);
  });

  it.each([
    ['dir/sub/app-(.*)\\.tgz', 'dir/sub/', 'dir/sub/'],
    ['app-(.*)\\.tgz', '', ''],
    ['dir\\.d/app-(.*)', 'dir.d/', 'dir.d/'],
    ['dir/?app-(.*)', '', 'dir/'],
    ['releases/(.*)/app.tgz', 'releases/', undefined],
    ['(a|b)/x-(.*)', '', undefined],
    ['a/x-(1|2)', '', 'a/'],
  ])('%s lists below %j and puts into %j', (pattern, prefix, folder) => {
    expect(prefixOfPattern(pattern)).toBe(prefix);
    expect(folderOfPattern(pattern)).toBe(folder);
  });

  it('needs a group', () => {
    expect(compilePattern('app.tgz')).toBeUndefined();
    expect(compilePattern('app-(')).toBeUndefined();
    expect(compilePattern('app-(.*)')).toBeDefined();
  });

  it('is stopped when it takes for ever', () => {
    expect(() => matchPaths('(a+)+b', ['a'.repeat(40)])).toThrow('regexp takes too long');
  });
});
