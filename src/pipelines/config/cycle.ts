/**
 * A cycle in a graph given as name to the names it needs; names that are not keys are ignored.
 * @returns its names in order, beginning with the one that stands first in the map; undefined when there is none.
 */
export function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  for (const start of edges.keys()) {
    const cycle = findCycleFrom(start, edges, done);
    if (cycle !== undefined) return startWithFirst(cycle, edges);
  }
  return undefined;
}

/** Depth first with a stack of our own: a chain of jobs may be longer than the call stack is deep. */
function findCycleFrom(
  start: string,
  edges: ReadonlyMap<string, readonly string[]>,
  done: Set<string>,
): string[] | undefined {
  if (done.has(start)) return undefined;
  const trail = [start];
  const onTrail = new Set(trail);
  const pending = [neighbours(start, edges)];
  while (trail.length > 0) {
    const next = pending.at(-1)?.pop();
    if (next === undefined) {
      const left = trail.pop();
      pending.pop();
      if (left !== undefined) {
        onTrail.delete(left);
        done.add(left);
      }
    } else if (onTrail.has(next)) {
      return trail.slice(trail.indexOf(next));
    } else if (!done.has(next)) {
      trail.push(next);
      onTrail.add(next);
      pending.push(neighbours(next, edges));
    }
  }
  return undefined;
}

/** Last first, as a stack takes them. */
function neighbours(name: string, edges: ReadonlyMap<string, readonly string[]>): string[] {
  return (edges.get(name) ?? []).filter((other) => edges.has(other)).reverse();
}

function startWithFirst(cycle: readonly string[], edges: ReadonlyMap<string, readonly string[]>): string[] {
  const members = new Set(cycle);
  const first = [...edges.keys()].find((name) => members.has(name));
  const at = first === undefined ? 0 : cycle.indexOf(first);
  return [...cycle.slice(at), ...cycle.slice(0, at)];
}
