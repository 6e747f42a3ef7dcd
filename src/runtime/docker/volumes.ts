import type Docker from 'dockerode';
import { createHash } from 'node:crypto';
import { LABELS } from './labels.js';

/** Absolute paths of an overlay's folders. */
export interface OverlayFolders {
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
}

/** A volume without a name, which goes with its container: what is written to it lands in `upper`, and `lower` stays as it is. */
export function overlayVolume(target: string, { lower, upper, work }: OverlayFolders): Docker.MountSettings {
  const o = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  return volume(target, '', {}, { type: 'overlay', device: 'overlay', o });
}

/** An empty volume without a name, which goes with its container. */
export function plainVolume(target: string, namespace: string): Docker.MountSettings {
  return volume(target, '', { [LABELS.namespace]: namespace }, {});
}

/** The volume of a cache, which stays. */
export function cacheMount(target: string, namespace: string, key: string): Docker.MountSettings {
  return volume(target, cacheVolume(namespace, key), { [LABELS.namespace]: namespace }, {});
}

/** Name of the volume of a cache. */
export function cacheVolume(namespace: string, key: string): string {
  return `${cacheVolumes(namespace)}${createHash('sha256').update(key).digest('hex').slice(0, 32)}`;
}

/** How the names of all volumes of caches begin. */
export function cacheVolumes(namespace: string): string {
  return `weir-${namespace}-cache-`;
}

function volume(
  Target: string,
  Source: string,
  Labels: Record<string, string>,
  Options: Record<string, string>,
): Docker.MountSettings {
  const DriverConfig = { Name: 'local', Options };
  return { Type: 'volume', Source, Target, VolumeOptions: { NoCopy: true, Labels, DriverConfig } };
}
