import type { JsonObject } from '../../model/index.js';
import type { Secret, SecretSource } from '../secret-source.js';

/** Values that stand in the pipeline itself. */
export class DummySource implements SecretSource {
  readonly title = 'its vars';
  readonly settings = {};
  readonly isRemote = false;

  constructor(private readonly vars: JsonObject) {}

  places(name: string): string[] {
    return [name];
  }

  read(place: string): Promise<Secret | undefined> {
    const value = Object.hasOwn(this.vars, place) ? this.vars[place] : undefined;
    return Promise.resolve(value === undefined ? undefined : { value });
  }

  health(): Promise<{ method: string }> {
    return Promise.resolve({ method: 'none' });
  }
}
