import { Spine1763740800000 } from './0001-spine.js';
import { Artifacts1763740803000 } from './0003-artifacts.js';
import { RuntimeSlots1763740804000 } from './0004-runtime-slots.js';
import { WatchedJobs1763740806000 } from './0006-watched-jobs.js';
import { Accounts1763740807000 } from './0007-accounts.js';
import { WallAndCaches1763740808000 } from './0008-wall-and-caches.js';
import { Idempotency1763740809000 } from './0009-idempotency.js';
import { Lists1763740810000 } from './0010-lists.js';
import { BuildVars1763740818000 } from './0018-build-vars.js';
import { CheckContainers1763740820000 } from './0020-check-containers.js';
import { CacheTtl1763740821000 } from './0021-cache-ttl.js';
import { SigningKeys1763740828000 } from './0028-signing-keys.js';
import { RoleVersion1763740830000 } from './0030-role-version.js';
import { CheckSchedule1763740831000 } from './0031-check-schedule.js';
import { EventSequences1763740832000 } from './0032-event-sequences.js';

/** Every migration, oldest first. Listed by hand so that a build cannot miss one. */
export const migrations = [
  Spine1763740800000,
  Artifacts1763740803000,
  RuntimeSlots1763740804000,
  WatchedJobs1763740806000,
  Accounts1763740807000,
  WallAndCaches1763740808000,
  Idempotency1763740809000,
  Lists1763740810000,
  BuildVars1763740818000,
  CheckContainers1763740820000,
  CacheTtl1763740821000,
  SigningKeys1763740828000,
  RoleVersion1763740830000,
  CheckSchedule1763740831000,
  EventSequences1763740832000,
];
