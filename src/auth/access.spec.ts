import { describe, expect, it } from '@jest/globals';
import type { TeamAuth } from '../model/index.js';
import type { TeamRow, TokenRow } from '../persistence/index.js';
import { Access, rolesIn, type Identity } from './access.js';
import { matrixRow } from './role-matrix.js';
import { RolePolicy } from './role-policy.js';

const ana: Identity = { connector: 'github', subject: '42', name: 'Ana', email: '', groups: ['Org:Team', ''] };
const owners = (...users: string[]): TeamAuth => ({ owner: { users, groups: [] } });

describe('roles in a team', () => {
  it.each([
    [{ users: ['github:ana'], groups: [] }, true],
    [{ users: ['GitHub:42'], groups: [] }, true],
    [{ users: [], groups: ['github:org:team'] }, true],
    [{ users: [], groups: [] }, true],
    [{ users: ['local:ana'], groups: [] }, false],
    [{ users: ['github:an'], groups: ['github:org'] }, false],
    [{ users: [], groups: ['github:'] }, false],
    [{ users: ['github:Org:Team'], groups: [] }, false],
  ])('by %j: %p', (holders, isHeld) => {
    expect(rolesIn({ member: holders }, ana)).toEqual(isHeld ? ['member'] : []);
  });

  it('are all that are given, the greatest first', () => {
    const everybody = { users: [], groups: [] };
    expect(rolesIn({ viewer: everybody, owner: everybody }, ana)).toEqual(['owner', 'viewer']);
  });
});

const rule = (method: string, path: string) => matrixRow(method, `/api/v1/teams/:team/${path}`)!.rule;
const PAUSE = rule('PUT', 'pipelines/:p/pause');
const SET = rule('PUT', 'pipelines/:p/config');
const UPLOAD = rule('POST', 'artifacts');
const teams = [
  { id: 1, name: 'main', admin: true, auth: owners('github:ana') },
  { id: 2, name: 'a', admin: false, auth: owners('github:ana') },
] as unknown as TeamRow[];
const access = (limits: Partial<TokenRow> = {}): Access => {
  const none = { teamName: null, role: null, pipelines: null, actions: null };
  return new Access(
    { kind: 'personal', user: ana, ...none, ...limits } as unknown as TokenRow,
    teams,
    RolePolicy.standard,
  );
};

describe('a token', () => {
  it('without limits may do what its user may', () => {
    expect([access().isAdmin, access().may(SET, 'a', 'p'), access().may(SET, 'elsewhere', 'p')]).toEqual([
      true,
      true,
      true,
    ]);
  });

  it.each([{ teamName: 'main' }, { role: 'owner' as const }, { pipelines: ['*'] }, { actions: ['SetTeam'] }])(
    'limited by %j is no administrator',
    (limits) => {
      expect(access(limits).isAdmin).toBe(false);
      expect(access(limits).may(SET, 'elsewhere', 'p')).toBe(false);
    },
  );

  it('limited to a team is good for that team', () => {
    const limited = access({ teamName: 'a' });
    expect([limited.may(SET, 'a', 'p'), limited.may(SET, 'main', 'p')]).toEqual([true, false]);
    expect(limited.visibleTeamIds).toEqual([2]);
  });

  it('limited to a role may do no more than that role', () => {
    const limited = access({ role: 'pipeline-operator' });
    expect([limited.may(PAUSE, 'a', 'p'), limited.may(SET, 'a', 'p')]).toEqual([true, false]);
  });

  it('limited to pipelines is good for these and for nothing else of the team', () => {
    const limited = access({ pipelines: ['app-*', 'x'] });
    const may = (pipeline?: string): boolean => limited.may(SET, 'a', pipeline);
    expect([may('app-1'), may('x'), may('xy'), may('App-1'), may()]).toEqual([true, true, false, false, false]);
    expect([limited.may(UPLOAD, 'a'), limited.sees('a', 'app-1'), limited.sees('a')]).toEqual([false, true, false]);
    expect(limited.wholeTeamIds).toEqual([]);
  });

  it('limited to actions is good for these', () => {
    const limited = access({ actions: ['PausePipeline'] });
    expect([limited.may(PAUSE, 'a', 'p'), limited.may(SET, 'a', 'p')]).toEqual([true, false]);
  });

  it('of a robot has the role it was made with, in its team, whatever the team says of everybody', () => {
    const everybody = [{ ...teams[1]!, name: 'b', auth: { owner: { users: [], groups: [] } } }, teams[1]!];
    const { user: _, ...robot } = {
      ...access().token!,
      kind: 'robot' as const,
      teamName: 'a',
      role: 'member' as const,
    };
    const limited = new Access({ ...robot, name: 'deployer' }, everybody, RolePolicy.standard);
    expect([limited.may(SET, 'a', 'p'), limited.may(SET, 'b', 'p'), limited.isAdmin]).toEqual([true, false, false]);
    expect([limited.name, limited.identity]).toEqual(['robot:a/deployer', undefined]);
  });
});
