import { setTimeout as delay } from 'node:timers/promises';
import type { HookOrder, Point, Reached } from './control.ts';
import {
  type Action,
  type CommitAction,
  type Fault,
  type FaultPlan,
  isOfCommit,
  isOfHook,
  orderOf,
  type TimedFault,
} from './faults.ts';
import type { Model } from './invariants/model.ts';
import type { Random } from './random.ts';
import type { Cluster } from './world/cluster.ts';
import { type Daemons, pullMs } from './world/daemons.ts';
import type { Disk } from './world/disk.ts';
import type { Line } from './world/proxy.ts';

/** The faults of a run. */
export interface Injected {
  readonly at: number;
  readonly action: Action | 'terminate';
  readonly point: Point | undefined;
}

/** Carries out a plan of faults: it decides what happens to whoever reaches a point. */
export class Injector {
  readonly injected: Injected[] = [];
  readonly passed = new Map<Point, number>();
  private readonly parts: InjectorParts;
  private readonly waiting: Set<Fault>;
  private readonly underWay = new Set<Promise<void>>();
  private restarting: Promise<void> = Promise.resolve();
  /** Daemons whose next hook takes more memory than it is given. */
  private readonly greedy = new Set<number>();
  private over = false;

  constructor(parts: InjectorParts) {
    this.parts = parts;
    this.waiting = new Set(parts.plan.faults);
  }

  /** Whether each fault of the plan that waits for a point has been carried out. */
  get isSpent(): boolean {
    return this.waiting.size === 0;
  }

  /** Called by whoever reaches a point; they go on when it resolves. */
  async decide(reached: Reached): Promise<HookOrder> {
    const times = (this.passed.get(reached.point) ?? 0) + 1;
    this.passed.set(reached.point, times);
    if (this.over) return 'go';
    for (const fault of this.waiting) {
      if (fault.point !== reached.point || fault.nth !== times) continue;
      this.waiting.delete(fault);
      const doing = this.inject(fault, reached);
      this.track(doing);
      await doing;
      return orderOf(fault.action);
    }
    // Only a hook that asks how to go on can be told to.
    if (isOfHook(reached.point) && this.greedy.delete(reached.daemon)) return orderOf('container-oom');
    return 'go';
  }

  /** Carries out the faults that come by the clock. */
  start(): void {
    for (const fault of this.parts.plan.timed) {
      this.track(
        delay(fault.atMs).then(async () => {
          if (!this.over) await this.act(fault, undefined);
        }),
      );
    }
  }

  /** No more faults; resolves when those under way are over, and every daemon is up. */
  async stop(): Promise<void> {
    this.over = true;
    while (this.underWay.size > 0) await Promise.all(this.underWay);
    await this.restarting;
    await Promise.all(this.parts.daemons().members.map(({ index }) => this.parts.daemons().restart(index)));
  }

  private track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.parts.daemons().troubles.push(`a fault could not be carried out: ${error}`);
      })
      .finally(() => this.underWay.delete(tracked));
    this.underWay.add(tracked);
  }

  private async inject(fault: Fault, reached: Reached): Promise<void> {
    const { model } = this.parts;
    const { task, pid } = reached;
    if (task !== undefined && fault.action.startsWith('hook-')) {
      this.note(fault.action, reached.point);
      // One that takes too long is only tried again.
      if (fault.action !== 'hook-stall') model.brokenRuns.add(task.slice(0, 36));
      if (fault.action === 'hook-kill' && pid !== undefined) process.kill(pid, 'SIGKILL');
      return;
    }
    await this.act({ action: fault.action, daemon: reached.daemon }, reached.point);
  }

  private note(action: Injected['action'], point: Point | undefined): void {
    this.injected.push({ at: Date.now(), action, point });
  }

  private async act(
    { action, daemon }: { readonly action: Action | TimedFault['action']; readonly daemon: number },
    point: Point | undefined,
  ): Promise<void> {
    const { leaseMs, random, model } = this.parts;
    const daemons = this.parts.daemons();
    const { proxy } = daemons.member(daemon);
    this.note(action, point);
    const later = random.pick([0, 50, leaseMs + 500]);
    if (action === 'kill') return this.backAgain(daemons.kill(daemon), daemon, later);
    if (action === 'terminate') {
      this.backAgain(
        daemons.stop(daemon).then(() => undefined),
        daemon,
        later,
      );
      return;
    }
    if (action === 'pg-immediate' || action === 'pg-fast') return this.restartServer(action);
    // Nothing breaks, and others get ahead of whoever waits here.
    if (action === 'hold') return void (await delay(random.int(200, 1_200)));
    if (action === 'cut') return proxy.cut();
    if (action === 'blackhole') {
      // A hook that waits for its end does so for ever when the lease comes through it.
      return proxy.blackhole(isOfHook(point) ? leaseMs + 500 : random.pick([300, leaseMs + 500]));
    }
    if (action === 'blackhole-for-good') return proxy.silence('osad claims');
    if (isOfCommit(action)) return this.loseCommit(action, daemon);
    if (action === 'stop-past-lease') {
      daemons.pause(daemon);
      await delay(leaseMs + random.int(200, 1_500));
      daemons.resume(daemon);
    }
    if (action === 'container-kill' || action === 'engine-gone') await this.breakEngine(action, daemon);
    // A hook that is there takes the memory itself.
    if (action === 'container-oom' && !isOfHook(point)) this.greedy.add(daemon);
    if (action === 'registry-hang') this.parts.registry?.blackhole(random.pick([500, pullMs + 1_000]));
    if (action === 'disk-full') {
      const disk = this.parts.disks.get(daemon);
      if (!disk) return;
      model.anyMayFail = true;
      await disk.fill();
      this.track(delay(1_000).then(() => disk.free()));
    }
  }

  private async breakEngine(action: 'container-kill' | 'engine-gone', daemon: number): Promise<void> {
    const { model, random } = this.parts;
    const { engine } = this.parts.daemons().member(daemon);
    if (!engine) return;
    if (action === 'container-kill') {
      for (const run of await engine.killAll()) model.brokenRuns.add(run);
      return;
    }
    await engine.down();
    this.track(delay(random.int(300, 1_500)).then(() => engine.up()));
  }

  /** The one who waits here goes on, and sends its COMMIT. */
  private loseCommit(action: CommitAction, daemon: number): void {
    const { leaseMs } = this.parts;
    const { proxy } = this.parts.daemons().member(daemon);
    const lost = proxy.loseCommitAnswer(action === 'lose-commit' ? 0 : leaseMs);
    if (action === 'lose-commit' || action === 'lose-commit-silent') return;
    const instead = action === 'commit-kill' ? 'kill' : 'pg-immediate';
    void lost.then(() => {
      if (!this.over) this.track(this.act({ action: instead, daemon }, undefined));
    });
  }

  /** The one who is ended waits for nothing: what it held is gone with it. */
  private backAgain(ended: Promise<void>, daemon: number, afterMs: number): void {
    const daemons = this.parts.daemons();
    this.track(
      ended.then(async () => {
        await delay(afterMs);
        await daemons.restart(daemon);
      }),
    );
  }

  private restartServer(action: 'pg-immediate' | 'pg-fast'): Promise<void> {
    const mode = action === 'pg-immediate' ? 'immediate' : 'fast';
    this.restarting = this.restarting.then(() => this.parts.cluster.restart(mode));
    return this.restarting;
  }
}

export interface InjectorParts {
  readonly plan: FaultPlan;
  readonly random: Random;
  readonly leaseMs: number;
  readonly cluster: Cluster;
  readonly model: Model;
  /** Asked for when they are needed, since the daemons tell their points to the injector. */
  readonly daemons: () => Daemons;
  readonly disks: ReadonlyMap<number, Disk>;
  /** The way to the registry of images. */
  readonly registry: Line | undefined;
}
