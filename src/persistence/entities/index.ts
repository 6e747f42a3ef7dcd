import { ArtifactUse } from './artifact-use.entity.js';
import { Artifact } from './artifact.entity.js';
import { AuditEntry } from './audit-entry.entity.js';
import { Build } from './build.entity.js';
import { BuildEvent } from './build-event.entity.js';
import { BuildEventChunk } from './build-event-chunk.entity.js';
import { BuildInput } from './build-input.entity.js';
import { BuildOutput } from './build-output.entity.js';
import { BuildPipe } from './build-pipe.entity.js';
import { BuildStep } from './build-step.entity.js';
import { CheckContainer } from './check-container.entity.js';
import { CheckSchedule } from './check-schedule.entity.js';
import { DisabledVersion } from './disabled-version.entity.js';
import { EffectiveSet } from './effective-set.entity.js';
import { History } from './history.entity.js';
import { IdempotentRequest } from './idempotent-request.entity.js';
import { Interception } from './interception.entity.js';
import { Job } from './job.entity.js';
import { JobInput } from './job-input.entity.js';
import { JobOutput } from './job-output.entity.js';
import { JobSerialGroup } from './job-serial-group.entity.js';
import { LoginFlow } from './login-flow.entity.js';
import { LoginAttempt } from './login-attempt.entity.js';
import { NextInput } from './next-input.entity.js';
import { NextPipe } from './next-pipe.entity.js';
import { Pin } from './pin.entity.js';
import { Pipeline } from './pipeline.entity.js';
import { PipelineRevision } from './pipeline-revision.entity.js';
import { PipelineSource } from './pipeline-source.entity.js';
import { Resource } from './resource.entity.js';
import { RoleVersion } from './role-version.entity.js';
import { RuntimeRow } from './runtime.entity.js';
import { SigningKey } from './signing-key.entity.js';
import { StepSlot } from './step-slot.entity.js';
import { TaskCache } from './task-cache.entity.js';
import { Team } from './team.entity.js';
import { Token } from './token.entity.js';
import { User } from './user.entity.js';
import { Version } from './version.entity.js';
import { Wall } from './wall.entity.js';

/** Every entity, for TypeORM: they must agree with what the migrations made (a test compares them). */
export const entities = [
  Team,
  RoleVersion,
  User,
  Token,
  LoginAttempt,
  LoginFlow,
  IdempotentRequest,
  AuditEntry,
  PipelineSource,
  Pipeline,
  PipelineRevision,
  History,
  Resource,
  CheckSchedule,
  Version,
  CheckContainer,
  DisabledVersion,
  Pin,
  Job,
  JobInput,
  JobOutput,
  JobSerialGroup,
  Build,
  BuildInput,
  BuildOutput,
  BuildPipe,
  EffectiveSet,
  NextInput,
  NextPipe,
  BuildStep,
  BuildEvent,
  BuildEventChunk,
  Artifact,
  ArtifactUse,
  Interception,
  RuntimeRow,
  StepSlot,
  TaskCache,
  Wall,
  SigningKey,
];
