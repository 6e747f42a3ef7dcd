import { describe, expect, it } from '@jest/globals';
import { checkScript, getScript, putScript, readFetchResult, readVersions } from './protocol.js';
import { scriptSpec } from './run-script.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const asked = (stdin: Uint8Array): unknown => JSON.parse(Buffer.from(stdin).toString());

describe('requests of the container protocol', () => {
  it('has no version in a first check, and no params where there are none', () => {
    expect(asked(checkScript({ uri: 'x' }, undefined).stdin)).toEqual({ source: { uri: 'x' } });
    expect(asked(checkScript({}, { ref: '1' }).stdin)).toEqual({ source: {}, version: { ref: '1' } });
    expect(asked(getScript({}, {}, { ref: '1' }).stdin)).toEqual({ source: {}, version: { ref: '1' } });
    expect(asked(putScript({}, { a: 1 }, []).stdin)).toEqual({ source: {}, params: { a: 1 } });
  });

  it('gives a put its inputs as folders of the folder that it is told', () => {
    const { argv, mounts } = putScript({}, {}, [{ name: 'repo', artifact: { id: 'a' } }]);
    expect(argv).toEqual(['/opt/resource/out', '/tmp/build/put']);
    expect(mounts).toEqual([
      { path: '/tmp/build/put', source: { output: 'put' } },
      { path: '/tmp/build/put/repo', source: { artifact: { id: 'a' } } },
    ]);
  });

  it('asks for privileges only where the type has them', () => {
    const spec = (isPrivileged: boolean): unknown =>
      scriptSpec(checkScript({}, undefined), {}, { artifact: { id: 'i' }, isPrivileged });
    expect(spec(true)).toMatchObject({ privileged: true, image: { artifact: { id: 'i' } }, stdoutTo: 'result' });
    expect(spec(false)).not.toHaveProperty('privileged');
  });
});

describe('answers of the container protocol', () => {
  it.each([
    ['nothing', '  \n', []],
    ['null', 'null', []],
    ['a list', '[{"ref":"1"},{"ref":"2"}]', [{ ref: '1' }, { ref: '2' }]],
    ['a list with more behind it', '[{"ref":"]}\\""}]\n{"more":[1]} words', [{ ref: ']}"' }]],
  ])('reads versions from %s', (_, text, versions) => {
    expect(readVersions(bytes(text))).toEqual(versions);
  });

  it.each([
    ['words', 'hello', /is no JSON: hello/],
    ['half a list', '[{"ref":', /is no JSON/],
    ['a map', '{"ref":"1"}', /list of versions/],
    ['a list of texts', '["1"]', /is no version: "1"/],
    ['numbers in a version', '[{"ref":1}]', /is no version: \{"ref":1\}/],
  ])('refuses a check that answers with %s', (_, text, message) => {
    expect(() => readVersions(bytes(text))).toThrow(message);
  });

  it('reads version and metadata, whatever the metadata is made of', () => {
    const answer =
      '{"version":{"a":"b"},"metadata":[{"name":"n","value":"v"},{"name":"num","value":1},{"value":"x"},null]}';
    expect(readFetchResult(bytes(answer), 'in')).toEqual({
      version: { a: 'b' },
      metadata: [
        { name: 'n', value: 'v' },
        { name: 'num', value: '1' },
      ],
    });
    expect(readFetchResult(bytes('{"version":{"a":"b"}}'), 'in').metadata).toEqual([]);
  });

  it.each(['{}', 'null', '{"version":null}'])('refuses %s, which has no version', (text) => {
    expect(() => readFetchResult(bytes(text), '/opt/resource/in')).toThrow(
      '/opt/resource/in answered with a null version',
    );
  });
});
