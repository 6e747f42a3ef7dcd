import {
  goToWork,
  overlayLine,
  quote,
  ROOT_CAPABILITIES,
  SCRIPT_HEAD,
  type SandboxPlan,
  type SandboxScript,
} from './sandbox.js';

/**
 * The sandbox made by `bwrap`. Overlays are mounted before, in mounts of the step's own, because bubblewrap knows them only
 * since 0.11. Everything it is told stands in a file: the environment is nothing for a command line.
 */
export function bubblewrapScript(plan: SandboxPlan, folder: string): SandboxScript {
  const args = [
    ...wholeArgs(plan),
    ...rootArgs(plan),
    ...Object.entries(plan.env).flatMap(([k, v]) => ['--setenv', k, v]),
  ];
  const become = `${goToWork(plan)}
[ -n "$weir_found" ] || (PATH=${quote(plan.env.PATH ?? '')}; command -v "$1" >/dev/null) || weir_fail $? "executable file not found: $1"
`;
  const bwrap = 'bwrap --args 9 -- "$@" 9<"$weir_folder/sandbox.args"';
  const files = { 'sandbox.args': args.map((arg) => `${arg}\0`).join('') };
  const script = `weir_folder=${quote(folder)}${SCRIPT_HEAD}\n`;
  if (plan.overlays.length === 0) return { script: `${script}${become}exec $weir_setsid ${bwrap}\n`, files };
  const own = plan.isRoot ? '' : '--user --map-root-user ';
  return {
    script: `weir_folder=${quote(folder)}
export weir_dir weir_found
exec $weir_setsid unshare --mount ${own}/bin/sh "$weir_folder/sandbox.inner" "$@"
`,
    files: {
      ...files,
      'sandbox.mounts': plan.overlays.map((overlay) => overlayLine(overlay, plan.isRoot)).join(''),
      'sandbox.inner': `${script}mount -n -a -T "$weir_folder/sandbox.mounts" || weir_fail $?\n${become}exec ${bwrap}\n`,
    },
  };
}

/** Namespaces and rights. Its death ends all that is in it, and the supervisor's death ends it. */
function wholeArgs({ hasNetwork, isPrivileged, isRoot, user }: SandboxPlan): string[] {
  const rights = isPrivileged
    ? ['--cap-add', 'ALL']
    : ['--cap-drop', 'ALL', ...ROOT_CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name.toUpperCase()}`])];
  const asUser = ['--cap-drop', 'ALL', '--unshare-user', '--uid', String(user.uid), '--gid', String(user.gid)];
  return [
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--clearenv'],
    ...(hasNetwork ? [] : ['--unshare-net']),
    ...(isRoot ? rights : asUser),
  ];
}

function rootArgs({ root, isRootWritable, binds, dir, isPrivileged }: SandboxPlan): string[] {
  const binding = (isWritable: boolean): string => (isWritable ? '--bind' : '--ro-bind');
  return [
    ...[binding(isRootWritable), root, '/'],
    ...(isPrivileged ? ['--dev-bind', '/dev', '/dev'] : ['--dev', '/dev']),
    ...['--proc', '/proc'],
    ...binds.flatMap(({ from, to, isWritable }) => [binding(isWritable), from, to]),
    ...['--chdir', dir],
  ];
}
