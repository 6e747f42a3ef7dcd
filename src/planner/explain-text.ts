import type { BuildId, JobId, ResourceId, Version } from '../model/index.js';
import type { Change } from './changes.js';
import type { Verdict } from './explain.js';
import type { Fix } from './fixes.js';

/** What people call the things that the planner knows by id. */
export interface Names {
  job(id: JobId): string;
  resource(id: ResourceId): string;
  /** For example `#12`. */
  build(id: BuildId): string;
  version(version: Version): string;
}

/** A verdict in words, to stand behind the version. */
export function describeVerdict(verdict: Verdict, names: Names): string {
  switch (verdict.kind) {
    case 'chosen':
      return verdict.vouchedBy.length === 0
        ? 'chosen'
        : `chosen, passed ${list(verdict.vouchedBy.map((id) => names.build(id)))}`;
    case 'disabled': {
      const { by = null, atMs = null, reason = null } = verdict.mark ?? {};
      const when = atMs === null ? '' : ` on ${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
      return `disabled${by === null ? '' : ` by ${by}`}${when}${reason ? `: ${reason}` : ''}`;
    }
    case 'not-pinned':
      return `not the pinned version ${names.version(verdict.pin)}`;
    case 'not-passed':
      return `has not passed ${list(verdict.jobs.map((id) => names.job(id)))}`;
    case 'not-together': {
      const { clash } = verdict;
      if (!clash) return 'passed, but by no builds that go together with versions for the other inputs';
      return `passed ${names.job(clash.jobId)} in ${names.build(clash.build)}, which holds no usable version for input ${clash.lacks}`;
    }
    case 'comes-later':
      return {
        'newer-exists': 'a newer version is used',
        'every-in-order': 'every version is used in its turn, and another one comes first',
        'order-of-preference': 'would do, but another set of versions comes first',
      }[verdict.because];
    case 'unknown':
      return 'not found out within the work budget';
  }
}

/** A fix as a request to somebody, for example `job lint must pass on repo abc123`. */
export function describeFix(fix: Fix, names: Names): string {
  return fix.changes.map((change) => describeChange(change, names)).join(' and ');
}

function describeChange(change: Change, names: Names): string {
  switch (change.do) {
    case 'enable':
      return `enable ${names.version(change.row.version)} of ${names.resource(change.resourceId)}`;
    case 'unpin':
      return change.by === 'step'
        ? `take the version from the get step ${change.input}`
        : `unpin ${names.resource(change.resourceId)}`;
    case 'find-version':
      return `${names.resource(change.resourceId)} must find a version`;
    case 'pass': {
      const versions = change.versions.map(
        ({ resourceId, version }) => `${names.resource(resourceId)} ${names.version(version)}`,
      );
      return `job ${names.job(change.jobId)} must pass on ${list([...new Set(versions)])}`;
    }
  }
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}
