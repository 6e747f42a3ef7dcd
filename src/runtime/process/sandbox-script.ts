import { bubblewrapScript } from './bubblewrap.js';
import { namespacesScript } from './namespaces.js';
import type { SandboxKind, SandboxPlan, SandboxScript } from './sandbox.js';

/** @param folder absolute path of the step's folder */
export function sandboxScript(kind: SandboxKind, plan: SandboxPlan, folder: string): SandboxScript {
  return kind === 'bubblewrap' ? bubblewrapScript(plan, folder) : namespacesScript(plan, folder);
}

/** The sandbox that can do what the plan wants: bubblewrap has but one user, whom root cannot change. */
export function kindFor(kind: SandboxKind, plan: SandboxPlan): SandboxKind {
  return plan.isRoot && plan.user.uid !== 0 ? 'namespaces' : kind;
}
