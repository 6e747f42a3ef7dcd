import { UserError } from '../../platform/index.js';
import type {
  ArtifactRef,
  Capabilities,
  CommandEnd,
  ExecSession,
  ExecSpec,
  Handle,
  ListedStep,
  LogChunk,
  Runtime,
  StepSpec,
  StepState,
} from '../port.js';
import { capabilitiesOf, chooseMember, type Member, type Need } from './choose-member.js';

/**
 * Several runtimes as one. A step begins on the one that its spec names, else on the first that fits; later it is found by
 * its handle, by asking each: the pool itself remembers nothing that a later server would miss.
 */
export class RuntimePool implements Runtime {
  private readonly homes = new Map<Handle, Member>();

  /** @param members at least one; names are unique; the first takes what any could. */
  constructor(readonly members: readonly [Member, ...Member[]]) {}

  /** The runtime itself when it is a pool, else a pool of it alone. */
  static of(runtime: Runtime): RuntimePool {
    if (runtime instanceof RuntimePool) return runtime;
    const name = runtime.kind === 'process' ? 'host' : runtime.kind;
    return new RuntimePool([{ name, runtime, tags: [], slots: 1000 }]);
  }

  get kind(): Runtime['kind'] {
    return this.members[0].runtime.kind;
  }

  /** Only a pool whose every runtime is shared lets another server join whatever step. */
  get isShared(): boolean {
    return this.members.every(({ runtime }) => runtime.isShared);
  }

  /** What at least one of them can. One that does not answer is passed over. @throws when none answers. */
  async capabilities(): Promise<Capabilities> {
    const asked = await Promise.allSettled(this.members.map(({ runtime }) => capabilitiesOf(runtime)));
    const known = asked.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const [first] = known;
    if (first === undefined) return this.members[0].runtime.capabilities();
    return {
      description: known.map(({ description }) => description).join(' '),
      images: known.some(({ images }) => images),
      isolation: first.isolation,
      platforms: [...new Set(known.flatMap(({ platforms }) => platforms))],
    };
  }

  /** The runtime of that name. @throws when there is none. */
  named(name: string): Runtime {
    return this.memberNamed(name).runtime;
  }

  /** Which runtime a new step goes to, or why none can take it; for steps that have not begun. */
  choose(need: Need): ReturnType<typeof chooseMember> {
    return chooseMember(this.members, need);
  }

  /** From now on the step is looked for there only: a runtime that does not answer holds up its own steps and no others. */
  remember(handle: Handle, name: string): void {
    this.homes.set(handle, this.memberNamed(name));
  }

  /** What the runtime can, as it said last when it does not answer now. @throws when it never answered. */
  capabilitiesOf(name: string): Promise<Capabilities> {
    return capabilitiesOf(this.named(name));
  }

  async start(spec: StepSpec): Promise<void> {
    if (spec.runtime !== undefined) this.remember(spec.handle, spec.runtime);
    return ((await this.find(spec.handle))?.runtime ?? (await this.newHome(spec))).start(spec);
  }

  async runAgain(
    spec: StepSpec,
    signal: AbortSignal,
    log: (data: Uint8Array) => void,
  ): Promise<CommandEnd | undefined> {
    const home = (await this.find(spec.handle))?.runtime ?? (await this.newHome(spec));
    return home.runAgain?.(spec, signal, log);
  }

  async inspect(handle: Handle): Promise<StepState> {
    return (await this.home(handle)).inspect(handle);
  }

  /** Without the steps of runtimes that do not answer. @throws when none answers. */
  async list(labels: Readonly<Record<string, string>>): Promise<readonly ListedStep[]> {
    const asked = await Promise.allSettled(this.members.map(({ runtime }) => runtime.list(labels)));
    if (asked.every(({ status }) => status === 'rejected')) return this.members[0].runtime.list(labels);
    return asked.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  }

  async *logs(handle: Handle, from: string | null, signal: AbortSignal): AsyncGenerator<LogChunk> {
    yield* (await this.home(handle)).logs(handle, from, signal);
  }

  async wait(handle: Handle, signal: AbortSignal): Promise<StepState> {
    return (await this.home(handle)).wait(handle, signal);
  }

  async result(handle: Handle): Promise<Uint8Array> {
    return (await this.home(handle)).result(handle);
  }

  async signal(handle: Handle, signal: 'INT' | 'TERM' | 'KILL'): Promise<void> {
    return (await this.home(handle)).signal(handle, signal);
  }

  async sealOutput(handle: Handle, output: string): Promise<ArtifactRef> {
    return (await this.home(handle)).sealOutput(handle, output);
  }

  async returnCaches(handle: Handle): Promise<void> {
    await (await this.home(handle)).returnCaches?.(handle);
  }

  async remove(handle: Handle): Promise<void> {
    await (await this.home(handle)).remove(handle);
    this.homes.delete(handle);
  }

  /** @throws UserError `cannot-intercept` where the step's runtime has no way in */
  async exec(handle: Handle, spec: ExecSpec): Promise<ExecSession> {
    const home = await this.home(handle);
    if (home.exec) return home.exec(handle, spec);
    throw new UserError('cannot-intercept', `nobody can step into the steps of this runtime (${home.kind})`);
  }

  /** Passes over those that do not answer. */
  async sweepCaches(live: () => Promise<readonly string[]>): Promise<void> {
    await Promise.allSettled(this.members.map(async ({ runtime }) => runtime.sweepCaches?.(live)));
  }

  private memberNamed(name: string): Member {
    const found = this.members.find((member) => member.name === name);
    if (!found) throw new Error(`there is no runtime "${name}": the server was started without it`);
    return found;
  }

  /** @throws UserError `no-runtime` when none has the tags */
  private async newHome({ tags = [], image }: StepSpec): Promise<Runtime> {
    const chosen = await this.choose({ tags, hasImage: image !== undefined });
    if (chosen.member === undefined && tags.length > 0) throw new UserError('no-runtime', chosen.reason);
    return (chosen.member ?? this.members[0]).runtime;
  }

  /** Where the step is; a runtime that knows nothing of it answers as well as any. */
  private async home(handle: Handle): Promise<Runtime> {
    return ((await this.find(handle)) ?? this.members[0]).runtime;
  }

  /** @throws when the step is nowhere and one of the runtimes does not answer: it may be there. */
  private async find(handle: Handle): Promise<Member | undefined> {
    if (this.members.length === 1) return this.members[0];
    const known = this.homes.get(handle);
    if (known) return known;
    const asked = await Promise.allSettled(this.members.map(({ runtime }) => runtime.inspect(handle)));
    const at = asked.findIndex((answer) => answer.status === 'fulfilled' && answer.value.phase !== 'absent');
    const found = this.members[at];
    if (found) {
      this.homes.set(handle, found);
      return found;
    }
    for (const answer of asked) if (answer.status === 'rejected') throw answer.reason;
    return undefined;
  }
}
