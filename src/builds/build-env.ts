import type { Walk } from './build-run.js';

/** Build metadata as resources get it; what is empty is left out. */
export function buildEnv({ run, buildStatus }: Walk): Record<string, string> {
  const { build, parts } = run;
  const url = parts.settings.externalUrl;
  const values: Record<string, string | number | undefined> = {
    BUILD_ID: build.id,
    BUILD_NAME: build.name,
    BUILD_TEAM_ID: build.teamId,
    BUILD_TEAM_NAME: build.teamName,
    BUILD_JOB_ID: build.jobId,
    BUILD_JOB_NAME: build.jobName,
    BUILD_PIPELINE_ID: build.pipelineId,
    BUILD_PIPELINE_NAME: build.pipelineName,
    BUILD_PIPELINE_INSTANCE_VARS: build.instanceVars && JSON.stringify(build.instanceVars),
    ATC_EXTERNAL_URL: url,
    BUILD_URL: jobBuildUrl({ run }),
    BUILD_URL_SHORT: `${url}/builds/${build.id}`,
    BUILD_STATUS: buildStatus,
  };
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(given.map(([key, value]) => [key, String(value)]));
}

function jobBuildUrl({ run: { build, parts } }: Pick<Walk, 'run'>): string | undefined {
  if (build.pipelineName === undefined || build.jobName === undefined) return undefined;
  const names = ['teams', build.teamName, 'pipelines', build.pipelineName, 'jobs', build.jobName, 'builds', build.name];
  const vars = build.instanceVars ? `?vars=${encodeURIComponent(JSON.stringify(build.instanceVars))}` : '';
  return `${parts.settings.externalUrl}/${names.map(encodeURIComponent).join('/')}${vars}`;
}
