import { describe, expect, it } from '@jest/globals';
import { parseYaml } from './parse-yaml.js';

describe('YAML that is no pipeline', () => {
  it('is read as pipelines are', () => {
    const text = 'base: &b {a: 012}\nmore: {<<: *b, at: 9:30, day: 2020-01-02, path: ., on: yes}';
    expect(parseYaml(text, 'vars.yml')).toEqual({
      base: { a: 10 },
      more: { a: 10, at: '9:30', day: '2020-01-02', path: '.', on: true },
    });
    expect(parseYaml('', 'vars.yml')).toBeNull();
  });

  it.each([['a: 1\nb: [secret'], ['a: 1\nb: 12345678901234567890'], ['a: 1\na: secret']])(
    'is refused with the line at fault and not its text (%j)',
    (text) => expect(() => parseYaml(text, 'vars.yml')).toThrow(/^vars\.yml is not valid YAML: line 2 cannot be read$/),
  );
});
