import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { ResourceFailure, type ResourceType } from '../../src/resources/index.js';
import { makeBusyboxRoot } from './docker-daemon.js';

/**
 * The scripts of a type that does what its source says. Everything it is told goes to its log as one line.
 * `fail`: exit 3; `count`: as version, how many checks have left a line there; `nonsense`: an answer that is no JSON; `wait`: a second and a half; `image`: an image of itself.
 */
const SCRIPTS: Readonly<Record<string, string>> = {
  check: `request=$(cat); echo "check $request of $BUILD_TEAM_NAME/$BUILD_PIPELINE_NAME" >&2
    case "$request" in *'"fail"'*) echo "out of order" >&2; exit 3;; esac
    case "$request" in *'"image"'*) echo '[{"ref":"image"}]'; exit;; esac
    case "$request" in *'"silent"'*) exit;; esac
    case "$request" in *'"count"'*) echo seen >>/tmp/seen; echo "[{\\"ref\\":\\"$(wc -l </tmp/seen)\\"}]"; exit;; esac
    echo '[{"ref":"c1"},{"ref":"c2"}] and more'`,
  in: `request=$(cat); echo "in $request" >&2
    case "$request" in *'"fail"'*) echo "no such thing" >&2; exit 3;; esac
    case "$request" in *'"nonsense"'*) echo hello; exit;; esac
    case "$request" in *'"image"'*) mkdir "$1/rootfs"; cp -a /bin /etc /opt "$1/rootfs"; echo made >"$1/rootfs/made"
      echo '{"env":["PATH=/bin"],"user":""}' >"$1/metadata.json"; echo '{"version":{"ref":"image"}}'; exit;; esac
    case "$request" in *'"wait"'*) sleep 1.5; echo waited >&2;; esac
    echo "build $BUILD_NAME of $BUILD_JOB_NAME" >"$1/told"
    echo '{"version":{"ref":"v1"},"metadata":[{"name":"from","value":"image"}]}'`,
  out: `request=$(cat); echo "out $request" >&2; (cd "$1"; echo "inputs:" *; cat */told 2>/dev/null) >&2
    case "$request" in *'"fail"'*) exit 4;; esac
    case "$request" in *'"stay"'*) echo staying >&2; sleep 1000;; esac
    case "$request" in *'"wait"'*) sleep 1.5; echo waited >&2;; esac
    case "$request" in *'"null"'*) echo '{"version":null}'; exit;; esac
    [ -e /made ] && echo "in an image of an image" >&2
    echo '{"version":{"ref":"put"},"metadata":[]}'`,
};

/** A type of the server whose gets are images of {@link SCRIPTS}, counting what is asked of it. */
export class ImageType {
  checks = 0;
  gets = 0;
  /** What checks find. */
  versions = ['1'];

  readonly type: ResourceType<{ fault?: string | undefined }, unknown, unknown> = {
    name: 'registry-image',
    schema: { source: z.looseObject({ fault: z.string().optional() }), getParams: z.unknown(), putParams: z.unknown() },
    check: (_context, { source }) => {
      this.checks++;
      if (source.fault === 'check') throw new ResourceFailure('no such repository');
      return Promise.resolve(this.versions.map((digest) => ({ digest })));
    },
    get: async ({ signal }, { source, version, dir }) => {
      this.gets++;
      if (source.fault === 'get') throw new ResourceFailure('the layer is broken');
      if (source.fault === 'hang') await new Promise((_, reject) => signal.addEventListener('abort', reject));
      const root = path.join(dir, 'rootfs');
      mkdirSync(path.join(root, 'opt/resource'), { recursive: true });
      makeBusyboxRoot(root);
      for (const [name, script] of Object.entries(SCRIPTS))
        writeFileSync(path.join(root, 'opt/resource', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      writeFileSync(path.join(dir, 'metadata.json'), '{"env":["PATH=/bin"],"user":""}');
      return { version, metadata: [] };
    },
    put: () => Promise.reject(new Error('not used')),
  };
}
