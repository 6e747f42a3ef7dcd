import type { Capabilities } from '../port.js';
import type { Isolation } from './isolation.js';

/** What a host with this isolation can do, with a line for people. */
export function describeIsolation(isolation: Isolation): Capabilities {
  const platforms = [process.platform];
  const lacks: NonNullable<Capabilities['lacks']>[number][] = isolation.cgroups === undefined ? ['limits'] : [];
  const limits = isolation.cgroups === undefined ? ' Limits on memory and CPU have no effect.' : '';
  if (isolation.kind === 'none') {
    const why = isolation.reason === undefined ? '' : ` No sandbox works here: ${isolation.reason}.`;
    return {
      description: `Host processes, NOT isolated: steps share the files, the network and the user of the server; images are ignored.${why}${limits}`,
      images: false,
      isolation: 'process-group',
      lacks: [...lacks, 'network-none', 'privileged'],
      platforms,
    };
  }
  const by = isolation.kind === 'bubblewrap' ? 'bubblewrap' : 'namespaces of the kernel';
  const views = isolation.hasOverlay ? 'overlays' : 'copies';
  const user = isolation.isRoot ? ' Steps run as root of the machine, with few rights.' : '';
  return {
    description: `Host processes in sandboxes of their own (${by}, ${views}); images run without Docker.${user}${limits}`,
    images: true,
    isolation: 'namespaces',
    lacks: isolation.isRoot ? lacks : [...lacks, 'privileged'],
    platforms,
  };
}
