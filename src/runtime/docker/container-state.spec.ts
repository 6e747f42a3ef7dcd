import { describe, expect, it } from '@jest/globals';
import type Docker from 'dockerode';
import { stateOf } from './container-state.js';

const NEVER = '0001-01-01T00:00:00Z';
const MOMENT = '2026-12-01T03:16:31.435Z';
const inspected = (state: Partial<Docker.ContainerInspectInfo['State']>): Docker.ContainerInspectInfo =>
  ({
    State: { Status: 'created', Running: false, Error: '', ExitCode: 0, StartedAt: NEVER, FinishedAt: NEVER, ...state },
    HostConfig: {},
  }) as Docker.ContainerInspectInfo;

const halfStarted = { phase: 'lost', reason: 'the daemon was restarted while it was being started' };

describe('what a container says of its step', () => {
  for (const [title, state, expected] of [
    ['made, not started', {}, { phase: 'pending' }],
    ['running', { Status: 'running', Running: true, StartedAt: MOMENT }, { phase: 'running' }],
    ['ended', { Status: 'exited', ExitCode: 3, StartedAt: MOMENT, FinishedAt: MOMENT }, { exit: { code: 3 } }],
    // What Docker says after it was killed while it started a container, seen with Docker 28.
    ['running since never', { Status: 'running', Running: true }, halfStarted],
    ['ended and never started', { FinishedAt: MOMENT }, halfStarted],
    ['that has a task already', { Error: 'task 0a1b: already exists', ExitCode: 128 }, halfStarted],
    ['whose id has a task already', { Error: 'id already in use', ExitCode: 128 }, halfStarted],
    [
      'that could not be started',
      { Error: 'no space left', ExitCode: 128 },
      { phase: 'exited', reason: 'no space left' },
    ],
  ] as const) {
    it(`one ${title}`, () => expect(stateOf('h', inspected(state as never))).toMatchObject(expected));
  }
});
