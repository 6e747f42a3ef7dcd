import type { JobStatus } from '../../persistence/index.js';
import { escapeXml } from './badge.mapper.js';

const WORDS: Readonly<Record<string, string>> = { succeeded: 'Success', failed: 'Failure' };

/** The feed that CCMenu and its kin read: every job that has a finished build. */
export function toCcXml(jobs: readonly JobStatus[], teamName: string, externalUrl: string): string {
  const projects = jobs
    .filter(({ lastStatus }) => lastStatus !== null)
    .map((job) => projectOf(job, teamName, externalUrl));
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Projects>${projects.join('')}</Projects>\n`;
}

function projectOf(job: JobStatus, teamName: string, externalUrl: string): string {
  const pipeline = nameOf(job);
  const path = [`teams`, teamName, 'pipelines', job.pipelineName, 'jobs', job.job].map(encodeURIComponent).join('/');
  const query = job.instanceVars ? `?vars=${encodeURIComponent(JSON.stringify(job.instanceVars))}` : '';
  const attributes = {
    activity: job.isRunning ? 'Building' : 'Sleeping',
    lastBuildLabel: job.lastName ?? '',
    lastBuildStatus: WORDS[job.lastStatus ?? ''] ?? 'Exception',
    lastBuildTime: job.lastEndedAt?.toISOString() ?? '',
    name: `${pipeline}/${job.job}`,
    webUrl: `${externalUrl}/${path}${query}`,
  };
  const text = Object.entries(attributes).map(([name, value]) => `${name}="${escapeXml(value)}"`);
  return `<Project ${text.join(' ')}/>`;
}

/** As `fly` writes instances: `name/key:value,key:value`. */
function nameOf({ pipelineName, instanceVars }: JobStatus): string {
  if (!instanceVars) return pipelineName;
  const vars = Object.entries(instanceVars).map(
    ([key, value]) => `${key}:${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `${pipelineName}/${vars.join(',')}`;
}
