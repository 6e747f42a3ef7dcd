import { describe, expect, it } from '@jest/globals';
import { place } from './cli.js';
import { ApiClient } from './client.js';
import { pipelineRef, writtenRef } from './pipeline-ref.js';
import { authOfFile } from './team-auth.js';
import { readWebUrl } from './web-url.js';

describe('a pipeline', () => {
  it.each([
    ['app', { name: 'app' }],
    ['app/branch:main', { name: 'app', instanceVars: { branch: 'main' } }],
    ['app/n:1,s:"1",on:true', { name: 'app', instanceVars: { n: 1, s: '1', on: true } }],
    ['app/a.b:x,a.c:y', { name: 'app', instanceVars: { a: { b: 'x', c: 'y' } } }],
    ['app/ref:"feature/x, y"', { name: 'app', instanceVars: { ref: 'feature/x, y' } }],
  ])('written as %s is read, and written the same again', (written, ref) => {
    expect(pipelineRef(written)).toEqual(ref);
    expect(writtenRef(ref.name, pipelineRef(written).instanceVars)).toBe(written);
  });

  it('has its instance vars in the query of every path below it', () => {
    const client = new ApiClient('http://ci.example', 'main', undefined);
    expect(client.pipeline('a b', '/jobs?limit=1')).toBe('/api/v1/teams/main/pipelines/a%20b/jobs?limit=1');
    expect(client.pipeline('a/x:1', '/jobs?limit=1')).toBe(
      `/api/v1/teams/main/pipelines/a/jobs?limit=1&vars=${encodeURIComponent('{"x":1}')}`,
    );
  });

  it('followed by vars without values is refused', () => {
    expect(() => pipelineRef('app/job')).toThrow('expected PIPELINE or PIPELINE/VAR:VALUE');
  });
});

describe('a job', () => {
  it.each([
    ['app/unit', 'app', 'unit'],
    ['app/branch:main/unit', 'app/branch:main', 'unit'],
    ['app/ref:"x/y"/unit', 'app/ref:"x/y"', 'unit'],
    ['app/ref:x/y/unit', 'app/ref:x/y', 'unit'],
    ['app/lint/fast', 'app', 'lint/fast'],
  ])('written as %s is of pipeline %s and called %s', (written, pipeline, name) => {
    expect(place(written)).toEqual({ pipeline, name });
  });
});

describe('an address of a browser', () => {
  const read = (path: string): unknown => readWebUrl(`https://ci.example/weir${path}`, 'https://ci.example/weir');
  it('names what it shows', () => {
    expect(read('/builds/7')).toEqual({ build: '7' });
    expect(read('/teams/main/pipelines/a%20b/jobs/j/builds/2.1?vars=%7B%22x%22%3A1%7D')).toEqual({
      team: 'main',
      job: { pipeline: 'a b/x:1', name: 'j' },
      build: '2.1',
    });
    expect(read('/teams/main/pipelines/a/resources/r')).toEqual({ team: 'main', check: { pipeline: 'a', name: 'r' } });
  });

  it('that shows something else is refused', () => {
    expect(() => read('/teams/main/pipelines/a')).toThrow('shows no build');
    expect(() => readWebUrl('https://ci.example.evil/builds/1', 'https://ci.example')).toThrow(
      'no address of this target',
    );
  });
});

describe('a file of roles', () => {
  it.each([
    [null, 'has no list "roles"'],
    [{ roles: [{ local: {} }] }, 'roles[0] has no name'],
    [{ roles: [{ name: 'owner', local: ['ana'] }] }, 'roles[0] (owner).local is not a map'],
    [{ roles: [{ name: 'owner', local: { users: [1] } }] }, 'local.users is not a list of names'],
  ])('%j is refused', (content, reason) => {
    expect(() => authOfFile(content, 'roles.yml')).toThrow(reason);
  });
});
