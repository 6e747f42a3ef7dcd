import { describe, expect, it } from '@jest/globals';
import { matrixRow, ROLE_MATRIX } from './role-matrix.js';
import { isAction, RoleFileError, RolePolicy } from './role-policy.js';

const pause = matrixRow('PUT', '/api/v1/teams/:t/pipelines/:p/pause')!.rule;
const save = matrixRow('PUT', '/api/v1/teams/:t/pipelines/:p/config')!.rule;

describe('a role file', () => {
  it('gives actions to other roles and leaves the rest', () => {
    const policy = RolePolicy.ofText('viewer: [PausePipeline]\nowner:\n- SaveConfig\n', 'f');
    expect([policy.roleFor(pause), policy.roleFor(save)]).toEqual(['viewer', 'owner']);
    const standard = RolePolicy.ofText('', 'f');
    expect([standard.roleFor(pause), standard.roleFor(save)]).toEqual(['pipeline-operator', 'member']);
  });

  it.each([
    ['veiwer: [PausePipeline]', /unknown role 'veiwer'; did you mean "viewer"/],
    ['viewer: [PausePipelin]', /unknown action 'PausePipelin' of viewer; did you mean "PausePipeline"/],
    ['viewer: PausePipeline', /must hold a list/],
    ['viewer: [PausePipeline]\nmember: [PausePipeline]', /given to two roles/],
    ['viewer: [DestroyTeam]', /unknown action/],
    ['- viewer', /must be a map/],
    ['viewer: [', /is not YAML/],
  ])('is refused: %j', (text, message) => {
    expect(() => RolePolicy.ofText(text, 'roles.yml')).toThrow(RoleFileError);
    expect(() => RolePolicy.ofText(text, 'roles.yml')).toThrow(message);
  });

  it('that cannot be read is refused by name', () => {
    expect(() => RolePolicy.ofFile('/nowhere/roles.yml')).toThrow(/cannot read the role file \/nowhere\/roles.yml/);
  });
});

describe('the matrix', () => {
  it('has each shape of a route once', () => {
    const shapes = ROLE_MATRIX.map(({ route }) => route.replace(/:\w+/g, ':'));
    expect(shapes).toHaveLength(new Set(shapes).size);
  });

  it('finds a row whatever parameters are called, and HEAD under GET', () => {
    expect(matrixRow('HEAD', '/api/v1/teams/:team_name')?.rule.action).toBe('GetTeam');
    expect(matrixRow('GET', '/api/v1/teams/x/y')).toBeUndefined();
    expect(matrixRow('PATCH', '/api/*')?.rule.action).toBe('AskForNothing');
    expect([isAction('PausePipeline'), isAction('GetUser')]).toEqual([true, false]);
  });
});
