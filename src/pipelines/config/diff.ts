import { canonicalJson, type PipelineConfig } from '../../model/index.js';

const SECTIONS = ['groups', 'var_sources', 'resources', 'resource_types', 'prototypes', 'jobs'] as const;

/** One item that differs between two configs. `old` is absent for an added one, `new` for a removed one. */
export interface PipelineChange {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly section: (typeof SECTIONS)[number] | 'display' | 'user_data';
  /** Name of the item; absent for display and user_data. */
  readonly name?: string;
  readonly old?: unknown;
  readonly new?: unknown;
}

/** What setting `next` over `previous` changes, section by section, by name. Empty: there is nothing to apply. */
export function diffPipelines(previous: PipelineConfig | undefined, next: PipelineConfig): PipelineChange[] {
  const changes = SECTIONS.flatMap((section) => diffItems(section, previous?.[section] ?? [], next[section] ?? []));
  for (const section of ['display', 'user_data'] as const) {
    changes.push(...compare({ section }, previous?.[section], next[section]));
  }
  return changes;
}

function diffItems(
  section: PipelineChange['section'],
  previous: readonly { readonly name: string }[],
  next: readonly { readonly name: string }[],
): PipelineChange[] {
  const before = new Map(previous.map((item) => [item.name, item]));
  const after = new Map(next.map((item) => [item.name, item]));
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.flatMap((name) => compare({ section, name }, before.get(name), after.get(name)));
}

function compare(item: Pick<PipelineChange, 'section' | 'name'>, before: unknown, after: unknown): PipelineChange[] {
  if (canonicalJson(before ?? null) === canonicalJson(after ?? null)) return [];
  if (before === undefined || before === null) return [{ ...item, kind: 'added', new: after }];
  if (after === undefined || after === null) return [{ ...item, kind: 'removed', old: before }];
  return [{ ...item, kind: 'changed', old: before, new: after }];
}
