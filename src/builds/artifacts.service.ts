import { Inject, Injectable } from '@nestjs/common';
import { createGzip } from 'node:zlib';
import { pipeline, type Readable } from 'node:stream';
import type { ArtifactId, BuildId, TeamId } from '../model/index.js';
import {
  Db,
  artifactsOfBuild,
  beginUpload,
  completeUpload,
  findArtifact,
  forgetArtifact,
  type StoredArtifact,
} from '../persistence/index.js';
import {
  BadArchive,
  LOGGER,
  messageOf,
  NotFoundError,
  Settings,
  unpackTar,
  UserError,
  type Logger,
} from '../platform/index.js';
import { ARTIFACTS, type ArtifactStore } from '../runtime/index.js';
import { uploadRef } from './handle.js';

const MEGABYTE = 1024 * 1024;

/** Files that people bring for one-off builds, and fetch from them. */
@Injectable()
export class ArtifactsService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(ARTIFACTS) private readonly artifacts: Pick<ArtifactStore, 'create' | 'exists' | 'read' | 'remove'>,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /**
   * Takes a tar archive as it comes, plain or compressed with gzip or zstd. A crash or a broken connection leaves nothing.
   * @throws UserError `bad-archive` when it is broken, hostile or larger than the setting allows.
   */
  async upload(teamId: TeamId, archive: Readable, by?: string): Promise<StoredArtifact> {
    const { instanceId: instance, keepArtifactsMs: keepMs, maxUploadMb } = this.settings;
    const ref = uploadRef();
    const id = await this.db.tx((tx) => beginUpload(tx, { teamId, name: ref, instance, ref, by, keepMs }));
    try {
      await this.artifacts.create(ref, (dir) => unpackTar(archive, dir, { maxBytes: maxUploadMb * MEGABYTE }));
      const stored = await this.db.tx((tx) => completeUpload(tx, id, keepMs));
      if (stored) return stored;
      throw new NotFoundError('the team of the artifact was removed while it arrived');
    } catch (error) {
      await this.forget(id, ref);
      throw error instanceof BadArchive
        ? new UserError('bad-archive', `the upload is refused: ${error.message}`)
        : error;
    }
  }

  /** What the build left to be fetched, oldest first. */
  ofBuild(buildId: BuildId): Promise<StoredArtifact[]> {
    return artifactsOfBuild(this.db, buildId);
  }

  /**
   * The artifact as a tar archive, compressed with gzip. An archive that cannot be made whole breaks off.
   * @throws NotFoundError also for an artifact of another team.
   */
  async download(teamId: TeamId, id: ArtifactId): Promise<Readable> {
    const stored = await findArtifact(this.db, teamId, id);
    if (!stored) throw new NotFoundError(`the team has no artifact ${id}, or it has expired`);
    if (!(await this.artifacts.exists({ id: stored.ref }))) {
      const { instance } = stored;
      const elsewhere = instance === this.settings.instanceId ? 'were removed' : `are on the server ${instance}`;
      throw new NotFoundError(`the files of artifact ${id} ${elsewhere}`);
    }
    const gzip = createGzip({ level: 1 });
    pipeline(await this.artifacts.read({ id: stored.ref }), gzip, (error) => {
      if (error) this.log.warn({ artifact: id, error: messageOf(error) }, 'sending an artifact failed');
    });
    return gzip;
  }

  private async forget(id: ArtifactId, ref: string): Promise<void> {
    try {
      await this.artifacts.remove({ id: ref });
      await this.db.tx((tx) => forgetArtifact(tx, id));
    } catch (error) {
      this.log.warn({ artifact: id, error: messageOf(error) }, 'forgetting a broken upload failed; it will expire');
    }
  }
}
