import type { MetadataField, Version } from './version.js';
import type { BuildStatus } from './status.js';

/** Where an event comes from: the plan node, and for output the stream. */
export interface EventOrigin {
  readonly id?: string;
  readonly source?: 'stdout' | 'stderr';
}

interface At {
  readonly origin: EventOrigin;
  /** Unix seconds. */
  readonly time: number;
}
interface TaskAt extends At {
  readonly config: {
    readonly platform?: string;
    readonly image?: string;
    readonly run: { readonly path: string; readonly args?: readonly string[]; readonly dir?: string };
    readonly inputs?: readonly { readonly name: string; readonly path?: string }[];
  };
}
interface FetchEnd extends At {
  readonly exit_status: number;
  readonly version?: Version;
  readonly metadata?: readonly MetadataField[];
}

/**
 * What a build tells its watchers. Names and fields are those of the wire contract (design: concourse-api §3.1), a
 * closed set: clients end with an error on a name they do not know.
 */
export type BuildEvent =
  | { readonly event: 'status'; readonly data: { readonly status: BuildStatus; readonly time: number } }
  | { readonly event: 'log'; readonly data: At & { readonly payload: string } }
  | { readonly event: 'error'; readonly data: At & { readonly message: string } }
  | { readonly event: 'initialize-task' | 'start-task'; readonly data: TaskAt }
  | { readonly event: 'finish-task'; readonly data: At & { readonly exit_status: number } }
  | { readonly event: 'initialize-get' | 'start-get' | 'initialize-put' | 'start-put'; readonly data: At }
  | { readonly event: 'finish-get' | 'finish-put'; readonly data: FetchEnd }
  | { readonly event: 'initialize-check'; readonly data: At & { readonly name: string } }
  | { readonly event: 'initialize' | 'start' | 'waiting-for-worker'; readonly data: At }
  | { readonly event: 'finish'; readonly data: At & { readonly succeeded: boolean } }
  | { readonly event: 'set-pipeline-changed'; readonly data: At & { readonly changed: boolean } }
  | { readonly event: 'selected-worker'; readonly data: At & { readonly selected_worker: string } }
  | { readonly event: 'image-check' | 'image-get'; readonly data: At & { readonly plan: unknown } }
  | {
      readonly event: 'across-substeps';
      readonly data: At & {
        readonly substeps: readonly { readonly step: unknown; readonly values: readonly unknown[] }[];
      };
    };

export type BuildEventName = BuildEvent['event'];

/** Version of each event on the wire; watchers compare the major part only. */
export const EVENT_VERSIONS: Readonly<Record<BuildEventName, string>> = {
  status: '1.0',
  log: '5.1',
  error: '4.1',
  'initialize-task': '4.0',
  'start-task': '5.0',
  'finish-task': '4.0',
  'initialize-get': '2.0',
  'start-get': '1.0',
  'finish-get': '5.1',
  'initialize-put': '2.0',
  'start-put': '1.0',
  'finish-put': '5.1',
  'initialize-check': '1.0',
  initialize: '1.0',
  start: '1.0',
  finish: '1.0',
  'set-pipeline-changed': '1.0',
  'selected-worker': '1.0',
  'waiting-for-worker': '1.0',
  'image-check': '1.1',
  'image-get': '1.1',
  'across-substeps': '1.0',
};
