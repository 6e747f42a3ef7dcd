import { CredentialsService } from '../../src/credentials/index.js';
import { KeptSources } from '../../src/credentials/kept-sources.js';
import { SigningKeys } from '../../src/credentials/signing-keys.js';
import type { Db } from '../../src/persistence/index.js';
import { Settings, systemClock, type Clock } from '../../src/platform/index.js';
import { silent } from './engine-world.js';

/** The credentials of a server with these settings, which asks again soon after trouble. */
export function credentialsOn(db: Db, given: Partial<Settings> = {}, clock: Clock = systemClock): CredentialsService {
  return new CredentialsService(db, keptSources(db, given, clock));
}

export function keptSources(db: Db, given: Partial<Settings> = {}, clock: Clock = systemClock): KeptSources {
  const settings = new Settings({ secretRetryIntervalMs: 1, secretTimeoutMs: 2_000, ...given });
  return new KeptSources(settings, clock, silent, new SigningKeys(db, settings, clock));
}
