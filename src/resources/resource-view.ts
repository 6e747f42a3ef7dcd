import type { JsonObject, MetadataField, ResourceId, Version } from '../model/index.js';
import type { ResourceRow, ResourceVersionRow } from '../persistence/index.js';

/** A resource as it travels over HTTP; absent fields are left out. Times are Unix seconds. */
export interface ResourceView {
  readonly id: ResourceId;
  readonly name: string;
  readonly team_name: string;
  readonly pipeline_id: number;
  readonly pipeline_name: string;
  readonly pipeline_instance_vars?: JsonObject;
  readonly type: string;
  readonly icon?: string;
  /** End of the last check. */
  readonly last_checked?: number;
  readonly next_check?: number;
  readonly check_error?: string;
  readonly pinned_version?: Version;
  readonly pinned_in_config?: true;
  readonly pin_comment?: string;
  readonly pinned_by?: string;
  readonly pinned_at?: number;
  readonly paused?: true;
  readonly paused_by?: string;
  readonly paused_at?: number;
  readonly pause_reason?: string;
  /** The last check, for clients that show checks as builds. `id` is 0 when that check has no build of its own. */
  readonly build?: CheckView;
}

export interface CheckView {
  readonly id: number;
  readonly name: 'check';
  readonly status: 'started' | 'succeeded' | 'failed';
  readonly start_time?: number;
  readonly end_time?: number;
  readonly team_name: string;
  readonly pipeline_id: number;
  readonly pipeline_name: string;
  readonly pipeline_instance_vars?: JsonObject;
}

/** A version of a resource as it travels over HTTP. */
export interface ResourceVersionView {
  readonly id: number;
  readonly version: Version;
  readonly metadata?: readonly MetadataField[];
  readonly enabled: boolean;
  readonly disabled_by?: string;
  readonly disabled_reason?: string;
}

export function toResourceView(row: ResourceRow): ResourceView {
  const { pin, check } = row;
  return {
    id: row.id,
    name: row.name,
    ...ofPipeline(row),
    type: row.type,
    ...given('icon', row.config.icon),
    ...given('last_checked', seconds(check?.endedAt)),
    ...given('next_check', seconds(check?.nextAt)),
    ...given('check_error', check?.error),
    ...(pin ? { pinned_version: pin.version, pinned_at: Math.floor(pin.at) } : {}),
    ...(pin?.origin === 'config' ? { pinned_in_config: true } : {}),
    ...given('pin_comment', pin?.comment || null),
    ...given('pinned_by', pin?.by),
    ...(row.paused ? { paused: true } : {}),
    ...given('paused_by', row.pausedBy),
    ...given('paused_at', seconds(row.pausedAt)),
    ...given('pause_reason', row.pauseReason),
    ...given('build', toCheckView(row)),
  };
}

export function toVersionView(row: ResourceVersionRow): ResourceVersionView {
  return {
    id: row.id,
    version: row.version,
    ...given('metadata', row.metadata),
    enabled: row.enabled,
    ...given('disabled_by', row.disabledBy),
    ...given('disabled_reason', row.disabledReason),
  };
}

function toCheckView(row: ResourceRow): CheckView | undefined {
  const { check } = row;
  if (!check || check.startedAt === null) return undefined;
  return {
    id: row.checkBuildId ?? 0,
    name: 'check',
    status: check.running ? 'started' : check.succeeded ? 'succeeded' : 'failed',
    ...given('start_time', seconds(check.startedAt)),
    ...(check.running ? {} : given('end_time', seconds(check.endedAt))),
    ...ofPipeline(row),
  };
}

function ofPipeline(
  row: ResourceRow,
): Pick<ResourceView, 'team_name' | 'pipeline_id' | 'pipeline_name' | 'pipeline_instance_vars'> {
  return {
    team_name: row.teamName,
    pipeline_id: row.pipelineId,
    pipeline_name: row.pipelineName,
    ...given('pipeline_instance_vars', row.instanceVars),
  };
}

function seconds(epoch: number | null | undefined): number | null {
  return epoch === null || epoch === undefined ? null : Math.floor(epoch);
}

function given<Key extends string, Value>(key: Key, value: Value | null | undefined): { [K in Key]?: Value } {
  return value === null || value === undefined ? {} : ({ [key]: value } as { [K in Key]: Value });
}
