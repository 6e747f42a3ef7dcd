import type { Place } from './cli.js';
import { CliError } from './io.js';
import { writtenRef } from './pipeline-ref.js';
import type { JsonObject } from '../model/index.js';

/** What an address of the web pages shows. */
export interface Shown {
  readonly team?: string;
  readonly job?: Place;
  readonly check?: Place;
  readonly build?: string;
}

/**
 * Reads the address of a build, job or resource as a browser shows it.
 * @throws CliError when it belongs to another server, or shows none of these.
 */
export function readWebUrl(text: string, serverUrl: string): Shown {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !url.href.startsWith(`${serverUrl}/`))
    throw new CliError(`${text} is no address of this target, ${serverUrl}`);
  const rest = url.pathname.slice(new URL(`${serverUrl}/`).pathname.length);
  const parts = rest.split('/').map(decodeURIComponent);
  if (parts[0] === 'builds' && parts[1] !== undefined) return { build: parts[1] };
  const at = (name: string): string | undefined => {
    const i = parts.indexOf(name);
    return i >= 0 && i % 2 === 0 ? parts[i + 1] : undefined;
  };
  const [team, pipeline, job, check, build] = [at('teams'), at('pipelines'), at('jobs'), at('resources'), at('builds')];
  if (team === undefined || pipeline === undefined || (job ?? check) === undefined)
    throw new CliError(`${text} shows no build, job or resource`);
  const vars = url.searchParams.get('vars');
  const ref = writtenRef(pipeline, vars === null ? undefined : (JSON.parse(vars) as JsonObject));
  return {
    team,
    ...(job === undefined ? {} : { job: { pipeline: ref, name: job } }),
    ...(check === undefined ? {} : { check: { pipeline: ref, name: check } }),
    ...(build === undefined ? {} : { build }),
  };
}
