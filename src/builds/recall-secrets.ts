import { textsIn } from '../events/index.js';
import type { Build, PlanNode } from '../model/index.js';
import type { JournaledStep } from '../persistence/index.js';
import { parseReference, varsIn, type VarReference } from '../pipelines/index.js';
import { UserError } from '../platform/index.js';
import type { CredentialSource } from './ports.js';

/** What a finished step keeps in the journal about secrets that it has learned and that the plan does not name. */
export interface StepSecrets {
  /** Credentials that its task file names, as {@link VarReference.text}. */
  readonly vars?: readonly string[];
  /** Its `value` is to be hidden. */
  readonly isSecret?: boolean;
}

/**
 * Everything that steps before a restart have hidden, to be hidden again before any further output is stored: values of the
 * credentials that the plan or a task file names, as they are now, and loaded vars that are not revealed. Credentials
 * themselves are never kept ([ADR 11](../../docs/adr/0011-redaction.md)).
 * @throws when a credential cannot be asked for now; one that is gone or unknown is left out.
 */
export async function recallSecrets(
  plan: PlanNode,
  journal: readonly JournaledStep[],
  build: Build,
  credentials: CredentialSource | undefined,
): Promise<string[]> {
  const results = journal.map(({ result }) => (result ?? {}) as StepSecrets & { readonly value?: unknown });
  const loaded = results.flatMap(({ isSecret, value }) => (isSecret ? textsIn(value) : []));
  if (!credentials) return loaded;
  const named = [
    ...varsIn(plan),
    ...results.flatMap(({ vars = [] }) => vars.flatMap((text) => parseReference(text) ?? [])),
  ];
  const unique = new Map(named.filter(({ source }) => source !== '.').map((reference) => [reference.text, reference]));
  const values: unknown[] = [];
  for (const reference of unique.values()) values.push(await valueOf(reference, build, credentials));
  return [...loaded, ...values.flatMap(textsIn)];
}

async function valueOf(reference: VarReference, build: Build, credentials: CredentialSource): Promise<unknown> {
  try {
    return (await credentials.fetch(build, [reference])).get(reference.text);
  } catch (error) {
    if (error instanceof UserError) return undefined; // the step that needs it says so
    throw error;
  }
}
