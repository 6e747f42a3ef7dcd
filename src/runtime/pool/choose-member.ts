import type { Capabilities, Runtime } from '../port.js';

/** One runtime of a server. */
export interface Member {
  /** For people and in tags: `host`, `docker`. */
  readonly name: string;
  readonly runtime: Runtime;
  /** What the operator calls it besides. A runtime with tags takes only steps that ask for one. */
  readonly tags: readonly string[];
  /** How many steps it runs at once. */
  readonly slots: number;
}

/** What a step needs of its runtime. */
export interface Need {
  readonly tags: readonly string[];
  /** The step has an image, which becomes its files where the runtime can do that. */
  readonly hasImage: boolean;
}

/** @param capabilities undefined while the runtime does not answer and never did */
type Described = Member & { readonly capabilities: Capabilities | undefined };

/**
 * The first runtime, in the operator's order, that has all tags of the step. A step without tags goes to runtimes without
 * tags. Among those a step with an image prefers one that runs images, and a step without goes to none that needs one; if no
 * other is left it goes there all the same, to be told why it cannot run.
 */
export async function chooseMember(
  members: readonly Member[],
  need: Need,
): Promise<{ readonly member: Member } | { readonly member?: undefined; readonly reason: string }> {
  const fitting = members.filter((member) => hasTags(member, need.tags));
  if (fitting.length === 0) return { reason: refusal(members, need.tags) };
  const described = await Promise.all(
    fitting.map(async (member): Promise<Described> => ({
      ...member,
      capabilities: await capabilitiesOf(member.runtime).catch(() => undefined),
    })),
  );
  const suited = described.filter(({ capabilities }) =>
    need.hasImage ? capabilities?.images !== false : capabilities?.needsImage !== true,
  );
  const best = suited[0] ?? described[0];
  const member = fitting.find(({ name }) => name === best?.name);
  return member ? { member } : { reason: refusal(members, need.tags) };
}

function hasTags({ name, tags }: Member, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return tags.length === 0;
  return wanted.every((tag) => tag === name || tags.includes(tag));
}

/** In the words of Concourse, then what there is. */
function refusal(members: readonly Member[], wanted: readonly string[]): string {
  const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(', ');
  const asked = wanted.length === 0 ? 'no tag' : `tag${wanted.length > 1 ? 's' : ''} ${quoted(wanted)}`;
  const there = members.map(({ name, tags }) => `${name} (${['takes', quoted([name, ...tags])].join(' ')})`).join(', ');
  const out = wanted.length === 0 ? '; give the step one of their tags' : '';
  return `no workers satisfying: ${asked}; the runtimes of this server: ${there}${out}`;
}

/** What each runtime last said of itself: it does not change while the server runs. */
const known = new WeakMap<Runtime, Capabilities>();

/** @throws when it does not answer and never did. */
export async function capabilitiesOf(runtime: Runtime): Promise<Capabilities> {
  const remembered = known.get(runtime);
  if (remembered) return remembered;
  const told = await runtime.capabilities();
  known.set(runtime, told);
  return told;
}
