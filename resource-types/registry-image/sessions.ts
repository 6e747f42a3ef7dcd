import { ResourceFailure, type CheckContext } from '../../src/resources/contract.js';
import type { Credentials } from './auth.js';
import { parseRepository } from './reference.js';
import { Registry } from './registry.js';
import type { ImageSource } from './schema.js';

interface MaybeCredentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** Uses the repository for pushing, and lets go of its connections. */
export async function pushing<T>(
  context: CheckContext,
  source: ImageSource,
  params: MaybeCredentials,
  work: (registry: Registry) => Promise<T>,
): Promise<T> {
  return using(open(context, source, hostAndName(source), [params, source], true), work);
}

/**
 * Uses the repository for reading: its mirror if there is one, and the registry itself when the mirror fails or `isEmpty`
 * says that it has nothing.
 */
export async function pulling<T>(
  context: CheckContext,
  source: ImageSource,
  params: MaybeCredentials,
  work: (registry: Registry) => Promise<T>,
  isEmpty: (found: T) => boolean = () => false,
): Promise<T> {
  const { host, name, isUnqualified } = hostAndName(source);
  const mirror = isUnqualified ? source.registry_mirror : undefined;
  if (mirror !== undefined) {
    try {
      const found = await using(open(context, source, { host: mirror.host, name }, [mirror], false), work);
      if (!isEmpty(found)) return found;
      context.log(`mirror ${mirror.host} has nothing, asking ${host}\n`);
    } catch (error) {
      context.signal.throwIfAborted();
      context.log(`mirror ${mirror.host} failed, asking ${host}: ${(error as Error).message}\n`);
    }
  }
  return using(open(context, source, { host, name }, [params, source], false), work);
}

/** @throws ResourceFailure when the repository's name is not valid, which the schema refuses. */
function hostAndName({ repository }: ImageSource) {
  const parsed = parseRepository(repository);
  if (parsed === undefined) throw new ResourceFailure(`'${repository}' is not the name of a repository`);
  return parsed;
}

function open(
  context: CheckContext,
  source: ImageSource,
  { host, name }: { readonly host: string; readonly name: string },
  offers: readonly MaybeCredentials[],
  allowsPush: boolean,
): Registry {
  const credentials = offers.map(credentialsOf).find((offer) => offer !== undefined);
  return new Registry(context, {
    host,
    name,
    allowsPush,
    insecure: source.insecure === true,
    debug: source.debug === true,
    ...(credentials && { credentials }),
    ...(source.ca_certs && { caCerts: source.ca_certs }),
  });
}

function credentialsOf({ username = '', password = '' }: MaybeCredentials): Credentials | undefined {
  return username === '' ? undefined : { username, password };
}

async function using<T>(registry: Registry, work: (registry: Registry) => Promise<T>): Promise<T> {
  try {
    return await work(registry);
  } finally {
    registry.close();
  }
}
