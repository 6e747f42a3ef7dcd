import { Injectable } from '@nestjs/common';
import { git } from '../../resource-types/git/index.js';
import { githubRelease } from '../../resource-types/github-release/index.js';
import { http } from '../../resource-types/http/index.js';
import { mock } from '../../resource-types/mock/index.js';
import { pipeline } from '../../resource-types/pipeline/index.js';
import { registryImage } from '../../resource-types/registry-image/index.js';
import { pool } from '../../resource-types/pool/index.js';
import { s3 } from '../../resource-types/s3/index.js';
import { semver } from '../../resource-types/semver/index.js';
import { time } from '../../resource-types/time/index.js';
import { didYouMean } from '../model/index.js';
import { NotFoundError } from '../platform/index.js';
import type { ResourceType } from './contract.js';

/** The resource types that are built into the server. */
@Injectable()
export class ResourceTypeRegistry {
  private readonly types: ReadonlyMap<string, ResourceType> = new Map(
    [git, githubRelease, http, mock, pipeline, pool, registryImage, s3, semver, time].map((type) => [
      type.name,
      type as ResourceType,
    ]),
  );

  /** In alphabetical order. */
  names(): readonly string[] {
    return [...this.types.keys()].toSorted();
  }

  has(name: string): boolean {
    return this.types.has(name);
  }

  /** @throws NotFoundError naming a near name, or all there are. */
  get(name: string): ResourceType {
    const type = this.types.get(name);
    if (type !== undefined) return type;
    const hint = didYouMean(name, this.names()) || `; there are ${this.names().join(', ')}`;
    throw new NotFoundError(`there is no resource type "${name}"${hint}`);
  }
}
