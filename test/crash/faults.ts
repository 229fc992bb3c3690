import { failpoints } from '@osa/core/failpoint';
import type { HookOrder, Point } from './control.ts';
import type { Random } from './random.ts';

export const actions = [
  'hold',
  'kill',
  'pg-immediate',
  'pg-fast',
  'cut',
  'blackhole',
  'blackhole-for-good',
  'stop-past-lease',
  'lose-commit',
  'lose-commit-silent',
  'commit-kill',
  'commit-pg-immediate',
  'hook-kill',
  'hook-exit',
  'hook-exit-zero',
  'hook-stall',
  'disk-full',
  'container-kill',
  'container-oom',
  'engine-gone',
  'registry-hang',
] as const;
export type Action = (typeof actions)[number];

/** One fault: what happens to whoever reaches the point for the n-th time in a run, counted over all daemons. */
export interface Fault {
  readonly point: Point;
  readonly nth: number;
  readonly action: Action;
}

/** Faults that no point triggers. */
export interface TimedFault {
  readonly atMs: number;
  readonly daemon: number;
  readonly action: (typeof byTheClock)[number];
}

export interface FaultPlan {
  readonly faults: readonly Fault[];
  readonly timed: readonly TimedFault[];
}

const byTheClock = [
  'kill',
  'cut',
  'blackhole',
  'blackhole-for-good',
  'stop-past-lease',
  'pg-immediate',
  'terminate',
] as const;
const everywhere = [
  'hold',
  'kill',
  'pg-immediate',
  'pg-fast',
  'cut',
  'blackhole',
  'blackhole-for-good',
  'stop-past-lease',
] as const;
const whileStopping = ['kill', 'pg-immediate', 'cut'] as const;
/** Faults of a COMMIT that the server has been sent: its answer is lost, or whoever waits for it is, or the server. */
const ofCommits = ['lose-commit', 'lose-commit-silent', 'commit-kill', 'commit-pg-immediate'] as const;
export type CommitAction = (typeof ofCommits)[number];

export function isOfCommit(action: string): action is CommitAction {
  return (ofCommits as readonly string[]).includes(action);
}

const beforeCommit: readonly Point[] = [
  'release.after-pointer',
  'live.after-lock',
  'submit.after-events',
  'deposition.submitted',
  'hold.before-commit',
  'review.decided',
  'file.recorded',
  'file.linked',
  'claim.after-snapshot',
  'write.before-commit',
];

/** The points of a runner that starts containers. */
const ofContainers = /^(image|container|oom)\./;

const inOutputOfContainers = ['container.mid-output', 'container.last-byte'] as const;

/** The other points at which it makes a difference that the code is in a container. */
const aroundContainers = [
  'write.before-commit',
  'ack.after',
  'cleanup.mid',
  'recovery.start',
  'recovery.mid-sweep',
] as const;

const inOutput: readonly Point[] = ['process.mid-output', ...inOutputOfContainers];

/** Whether it is a hook that waits at the point, not its daemon. */
export function isOfHook(point: Point | undefined): boolean {
  return point !== undefined && inOutput.includes(point);
}

/** Every point of containers with every action that makes sense there. */
export function containerPairs({ canFillDisk }: { readonly canFillDisk: boolean }): Fault[] {
  const daemons = failpoints.filter((point) => ofContainers.test(point));
  const usual: readonly Action[] = [
    ...everywhere,
    'container-kill',
    'container-oom',
    'engine-gone',
    ...(canFillDisk ? (['disk-full'] as const) : []),
  ];
  const pairs = (points: readonly Point[], actions: readonly Action[]) =>
    points.flatMap((point) => actions.map((action) => ({ point, action, nth: 1 })));
  return [
    ...pairs([...daemons, ...inOutputOfContainers], usual),
    ...pairs(inOutputOfContainers, ['hook-exit', 'hook-exit-zero', 'hook-stall']),
    ...pairs(['image.resolve'], ['registry-hang']),
    ...pairs(aroundContainers, everywhere),
    ...pairs(['write.before-commit'], ofCommits),
    ...pairs(['shutdown.sigterm'], whileStopping),
  ];
}

/** Every other point with every action that makes sense there. */
export function allPairs({ canFillDisk }: { readonly canFillDisk: boolean }): Fault[] {
  const pairs: Fault[] = [];
  const add = (point: Point, action: Action) => pairs.push({ point, action, nth: 1 });
  const reached = failpoints.filter((point) => !ofContainers.test(point));
  for (const point of [...reached, 'process.mid-output'] as const) {
    const usual = point === 'shutdown.sigterm' ? whileStopping : everywhere;
    for (const action of usual) add(point, action);
    if (beforeCommit.includes(point)) for (const action of ofCommits) add(point, action);
  }
  for (const action of ['hook-kill', 'hook-exit', 'hook-exit-zero'] as const)
    add('process.mid-output', action);
  if (canFillDisk) add('stage.partial', 'disk-full');
  return pairs;
}

/** How often a point is reached in a run at least, about; a fault at a later time would never happen. */
function mostOften(point: Point): number {
  if (/^(recovery|shutdown|live|mint|oom|divide|deposition|hold|review|comparison)/.test(point)) return 1;
  if (/^(submit|file)/.test(point)) return 3;
  if (point.startsWith('release')) return 5;
  return 4;
}

/** A prime that no number of points divides, so that neighbouring seeds are for points that lie apart. */
const stride = 97;

/**
 * The fault that a seed is for: as many consecutive seeds as there are points meet each point once, and each round of
 * them takes the next action of every point.
 */
function mainFault(seed: number, pairs: readonly Fault[]): Fault | undefined {
  const points = [...Map.groupBy(pairs, ({ point }) => point).values()];
  const own = points[(seed * stride) % points.length] ?? [];
  return own[Math.floor(seed / points.length) % own.length];
}

/**
 * A disk is full once; more memory than a release gives is asked for again and again, and in the end refused; a dead
 * connection is noticed after 15 s, and several would add up.
 */
const onceOnly: readonly Action[] = ['disk-full', 'container-oom', 'blackhole-for-good'];

/** Chance adds more to the fault that the seed is for. */
export function planFaults(
  seed: number,
  random: Random,
  pairs: readonly Fault[],
  daemons: number,
): FaultPlan {
  const main = mainFault(seed, pairs);
  // A plan of few points is made to bring one thing to light.
  const more = pairs.length < 20 ? [3, 4] : [0, 1, 1, 2];
  const extra = Array.from({ length: random.pick(more) }, () => random.pick(pairs));
  const faults = [...(main ? [main] : []), ...extra]
    .filter(
      ({ action }, index, all) =>
        !onceOnly.includes(action) || all.findIndex((one) => one.action === action) === index,
    )
    .map((fault) => ({ ...fault, nth: random.int(1, mostOften(fault.point)) }));
  // Records are divided only after a hook has died.
  if (faults.some(({ point }) => point === 'divide.after')) {
    faults.push({ point: 'process.mid-output', action: 'hook-exit', nth: 1 });
  }
  const timed: TimedFault[] = [];
  const atMs = () => random.int(200, 2_500);
  if (faults.some(({ point }) => point === 'shutdown.sigterm')) {
    timed.push({ atMs: atMs(), daemon: random.int(0, daemons - 1), action: 'terminate' });
  }
  if (random.chance(0.4)) {
    const action = random.pick(byTheClock);
    timed.push({ atMs: atMs(), daemon: random.int(0, daemons - 1), action });
  }
  return { faults, timed };
}

const orders: Readonly<Partial<Record<Action, HookOrder>>> = {
  'hook-exit': 'exit',
  'hook-exit-zero': 'exit-zero',
  'hook-stall': 'stall',
  'container-oom': 'take-memory',
  // Its daemon is gone or loses the lease: the hook goes on until it is ended, by that daemon or by the next one.
  kill: 'stall',
  blackhole: 'stall',
  'stop-past-lease': 'stall',
};

/** The act of a hook that has met the fault. */
export function orderOf(action: Action): HookOrder {
  return orders[action] ?? 'go';
}
