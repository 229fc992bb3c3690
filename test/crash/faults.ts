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
  'stop-past-lease',
  'lose-commit',
  'lose-commit-silent',
  'hook-kill',
  'hook-exit',
  'hook-exit-zero',
  'hook-stall',
  'disk-full',
  'container-kill',
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
  readonly action: 'kill' | 'pg-immediate' | 'cut' | 'blackhole' | 'stop-past-lease' | 'terminate';
}

export interface FaultPlan {
  readonly faults: readonly Fault[];
  readonly timed: readonly TimedFault[];
}

const everywhere = [
  'hold',
  'kill',
  'pg-immediate',
  'pg-fast',
  'cut',
  'blackhole',
  'stop-past-lease',
] as const;
const beforeCommit: readonly Point[] = [
  'release.after-pointer',
  'mint.after-insert',
  'live.after-lock',
  'submit.after-events',
  'claim.after-snapshot',
  'write.before-commit',
];

/** The points of a runner that starts containers. */
const ofContainers = /^(image|container|oom)\./;

const inOutputOfContainers = ['container.mid-output', 'container.last-byte'] as const;

/** Every point of containers with every action that makes sense there. */
export function containerPairs({ canFillDisk }: { readonly canFillDisk: boolean }): Fault[] {
  const daemons = failpoints.filter((point) => ofContainers.test(point));
  const usual: readonly Action[] = [
    ...everywhere,
    'container-kill',
    'engine-gone',
    ...(canFillDisk ? (['disk-full'] as const) : []),
  ];
  const pairs = (points: readonly Point[], actions: readonly Action[]) =>
    points.flatMap((point) => actions.map((action) => ({ point, action, nth: 1 })));
  return [
    ...pairs([...daemons, ...inOutputOfContainers], usual),
    ...pairs(inOutputOfContainers, ['hook-exit', 'hook-exit-zero', 'hook-stall']),
    ...pairs(['image.resolve'], ['registry-hang']),
  ];
}

/** Every other point with every action that makes sense there. */
export function allPairs({ canFillDisk }: { readonly canFillDisk: boolean }): Fault[] {
  const pairs: Fault[] = [];
  const add = (point: Point, action: Action) => pairs.push({ point, action, nth: 1 });
  const reached = failpoints.filter((point) => !ofContainers.test(point));
  for (const point of [...reached, 'process.mid-output'] as const) {
    const usual = point === 'shutdown.sigterm' ? (['kill', 'pg-immediate', 'cut'] as const) : everywhere;
    for (const action of usual) add(point, action);
    if (beforeCommit.includes(point)) {
      add(point, 'lose-commit');
      add(point, 'lose-commit-silent');
    }
  }
  for (const action of ['hook-kill', 'hook-exit', 'hook-exit-zero'] as const)
    add('process.mid-output', action);
  if (canFillDisk) add('stage.partial', 'disk-full');
  return pairs;
}

/** How often a point is reached in a run at least, about; a fault at a later time would never happen. */
function mostOften(point: Point): number {
  if (/^(recovery|shutdown|live|mint|oom)/.test(point)) return 1;
  if (point.startsWith('submit')) return 3;
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
        action !== 'disk-full' || all.findIndex((one) => one.action === action) === index,
    )
    .map((fault) => ({ ...fault, nth: random.int(1, mostOften(fault.point)) }));
  const timed: TimedFault[] = [];
  const atMs = () => random.int(200, 2_500);
  if (faults.some(({ point }) => point === 'shutdown.sigterm')) {
    timed.push({ atMs: atMs(), daemon: random.int(0, daemons - 1), action: 'terminate' });
  }
  if (random.chance(0.4)) {
    const action = random.pick([
      'kill',
      'cut',
      'blackhole',
      'stop-past-lease',
      'pg-immediate',
      'terminate',
    ] as const);
    timed.push({ atMs: atMs(), daemon: random.int(0, daemons - 1), action });
  }
  return { faults, timed };
}

export const orders: Readonly<Partial<Record<Action, HookOrder>>> = {
  'hook-exit': 'exit',
  'hook-exit-zero': 'exit-zero',
  'hook-stall': 'stall',
};
