import type { Path } from './finding.js';
import { STEP_KINDS } from './schema.js';
import { isMap } from './shape.js';
import { HOOKS } from './steps.js';

/** What a walk has reached, which decides how the next key is shown. */
type Reached = 'pipeline' | 'items' | 'jobs' | 'job' | 'plan' | 'steps' | 'step' | 'parallel' | 'other';

const SECTIONS = ['resources', 'resource_types', 'prototypes', 'var_sources', 'groups'];
const LEAVES = STEP_KINDS.filter((kind) => !['do', 'try', 'in_parallel'].includes(kind));
/** These belong to the step around, not to the task or get that it holds. */
const AROUND = [...HOOKS, 'across', 'fail_fast', 'attempts', 'when'];

/** The path of a pipeline's value as people read it: `jobs.deploy.plan.do[2].task(x).config.run`. */
export function describePath(root: unknown, path: Path): string {
  let at = root;
  let reached: Reached = 'pipeline';
  let text = '';
  for (const key of path) {
    const next: unknown = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined;
    text += typeof key === 'number' ? describeIndex(key, reached, next) : describeKey(key, reached, at);
    reached = advance(reached, key);
    at = next;
  }
  return text.replace(/^\./, '');
}

/** The path of a value that is no pipeline, for example of a task file: `run.args[1]`. */
export function describePlainPath(_root: unknown, path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '');
}

function describeIndex(index: number, reached: Reached, item: unknown): string {
  if ((reached === 'items' || reached === 'jobs') && isMap(item) && typeof item.name === 'string' && item.name !== '') {
    return `.${item.name}`;
  }
  if (reached === 'plan') return `.do[${index}]`;
  return reached === 'parallel' ? `.steps[${index}]` : `[${index}]`;
}

function describeKey(key: string, reached: Reached, container: unknown): string {
  if (reached !== 'step' || AROUND.includes(key) || !isMap(container)) return `.${key}`;
  const core = STEP_KINDS.find((kind) => Object.hasOwn(container, kind));
  if (core === undefined || !LEAVES.includes(core)) return `.${key}`;
  const name = container[core];
  const leaf = `.${core}(${typeof name === 'string' || typeof name === 'number' || typeof name === 'boolean' ? name : ''})`;
  return key === core ? leaf : `${leaf}.${key}`;
}

function advance(reached: Reached, key: string | number): Reached {
  const isHook = HOOKS.some((hook) => hook === key);
  switch (reached) {
    case 'pipeline':
      return key === 'jobs' ? 'jobs' : SECTIONS.includes(String(key)) ? 'items' : 'other';
    case 'jobs':
      return 'job';
    case 'job':
      return key === 'plan' ? 'plan' : isHook ? 'step' : 'other';
    case 'step':
      if (key === 'do') return 'steps';
      if (key === 'in_parallel') return 'parallel';
      return key === 'try' || isHook ? 'step' : 'other';
    case 'parallel':
      if (typeof key === 'number') return 'step';
      return key === 'steps' ? 'steps' : 'other';
    case 'plan':
    case 'steps':
      return 'step';
    case 'items':
    case 'other':
      return 'other';
  }
}
