import { parseDurationMs, parseMemoryBytes } from '../model/index.js';
import { wholeNumber, type Parser } from './setting-parsers.js';

/** What the operator says for jobs and steps that do not say it themselves, and the most that jobs may keep. */
export class JobSettings {
  /** Logs of so many builds are kept of a job that does not say; 0: of all. */
  readonly defaultBuildLogsToRetain: number = 0;
  /** No job keeps the logs of more builds; 0: no bound. */
  readonly maxBuildLogsToRetain: number = 0;
  /** Days after the end of a build; 0: for ever. */
  readonly defaultDaysToRetainBuildLogs: number = 0;
  /** 0: no bound. */
  readonly maxDaysToRetainBuildLogs: number = 0;
  /** Durations, as in a pipeline; undefined: no timeout. */
  readonly defaultGetTimeout: string | undefined = undefined;
  readonly defaultPutTimeout: string | undefined = undefined;
  readonly defaultTaskTimeout: string | undefined = undefined;
  /** Share of the processors, as in `container_limits`; undefined: no limit. */
  readonly defaultTaskCpuLimit: number | undefined = undefined;
  /** As in `container_limits`, such as `2GB`; undefined: no limit. */
  readonly defaultTaskMemoryLimit: string | undefined = undefined;
}

interface JobDefinition extends Parser {
  readonly name: string;
  readonly field: keyof JobSettings;
  readonly value: string;
  readonly help: string;
}

const MOST = 1_000_000;

/** Their lines of the settings table. */
export const JOB_DEFINITIONS: readonly JobDefinition[] = [
  {
    name: 'default-build-logs-to-retain',
    field: 'defaultBuildLogsToRetain',
    value: 'number',
    help: 'logs of so many builds are kept of a job without build_log_retention (else of all)',
    ...wholeNumber(0, MOST),
  },
  {
    name: 'max-build-logs-to-retain',
    field: 'maxBuildLogsToRetain',
    value: 'number',
    help: 'no job keeps the logs of more builds, whatever it says',
    ...wholeNumber(0, MOST),
  },
  {
    name: 'default-days-to-retain-build-logs',
    field: 'defaultDaysToRetainBuildLogs',
    value: 'number',
    help: 'for so many days logs are kept of a job without build_log_retention (else for ever)',
    ...wholeNumber(0, MOST),
  },
  {
    name: 'max-days-to-retain-build-logs',
    field: 'maxDaysToRetainBuildLogs',
    value: 'number',
    help: 'no job keeps logs for more days, whatever it says',
    ...wholeNumber(0, MOST),
  },
  timeout('default-get-timeout', 'defaultGetTimeout', 'get'),
  timeout('default-put-timeout', 'defaultPutTimeout', 'put'),
  timeout('default-task-timeout', 'defaultTaskTimeout', 'task'),
  {
    name: 'default-task-cpu-limit',
    field: 'defaultTaskCpuLimit',
    value: 'number',
    help: 'share of the processors of a task whose container_limits say nothing; 1024 is ordinary (else no limit)',
    ...wholeNumber(0, MOST),
  },
  {
    name: 'default-task-memory-limit',
    field: 'defaultTaskMemoryLimit',
    value: 'size',
    help: 'most memory of a task whose container_limits say nothing, such as 2GB (else no limit)',
    expects: 'a size of memory such as 512MB or 2GB',
    parse: (given) => (parseMemoryBytes(given) === undefined ? undefined : given),
  },
];

function timeout(name: string, field: keyof JobSettings, step: string): JobDefinition {
  const parse = (given: string): string | undefined => ((parseDurationMs(given) ?? 0) > 0 ? given : undefined);
  const expects = 'a duration longer than 0, such as 90s or 1h30m';
  return {
    name,
    field,
    value: 'duration',
    help: `longest time of a ${step} step that sets no timeout`,
    expects,
    parse,
  };
}
