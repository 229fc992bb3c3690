import type { Point } from '../control.ts';
import type { HookName } from '../hooks.ts';
import { deadlyValue, fussyValue, hookNames } from '../hooks.ts';
import type { Model, Sent } from '../invariants/model.ts';
import type { Random } from '../random.ts';
import type { Client } from '../world/client.ts';
import type { Containers } from '../world/containers.ts';

/** A release differs from the one before it in one of these. Limits do not show in a row; a trace states them. */
export type Part = 'code' | 'config' | 'command' | 'limits';

/** The acts of the clients of one run, decided before it starts. */
export type Operation =
  | {
      readonly kind: 'deploy';
      /** The hooks that get another release. */
      readonly fresh: readonly HookName[];
      readonly part: Part;
      readonly gamma: boolean;
      readonly schema: string;
    }
  | {
      readonly kind: 'mint';
      readonly hook: HookName;
      readonly part: Part;
      /** Whether the other parts are named too. */
      readonly isWhole: boolean;
      readonly live: boolean;
      readonly keyed: boolean;
    }
  | {
      readonly kind: 'rollback';
      readonly hook: HookName;
      readonly cancelRunning: boolean;
      readonly heal: boolean;
    }
  /** A rollback that heals; at once, or when the release that it leaves has current records. */
  | { readonly kind: 'heal'; readonly hook: HookName; readonly waits: boolean }
  /** Everything that is not of the live release. */
  | { readonly kind: 'recompute'; readonly hook: HookName }
  /** A few results, of any release. */
  | { readonly kind: 'replay'; readonly hook: HookName; readonly sample: number }
  /** A release, live or not, over all records or some. */
  | ({ readonly kind: 'compare' } & Comparing)
  /** A record that only old releases end at, and a heal that comes to them. */
  | { readonly kind: 'break'; readonly hook: HookName }
  | {
      readonly kind: 'activate';
      readonly hook: HookName;
      readonly version: number;
      readonly cancelRunning: boolean;
      readonly heal: boolean;
    }
  | ({ readonly kind: 'ingest' } & Upload)
  /** Small uploads of the same sources, one at once after the other: a chain of batches. */
  | { readonly kind: 'burst'; readonly uploads: readonly Upload[] }
  /** Paused, and resumed after a while; without a hook it is the ingestion that came in last. */
  | { readonly kind: 'pause'; readonly hook: HookName | undefined; readonly forMs: number }
  /** The ingestion that came in last. */
  | { readonly kind: 'cancel' }
  | { readonly kind: 'retry' }
  | {
      readonly kind: 'deposit';
      readonly value: number;
      /** Once its hooks have given it back. */
      readonly mended: number;
      readonly decision: 'approve' | 'reject' | 'withdraw' | 'both';
      /** How long it is in review before that. */
      readonly decidesAfterMs: number;
    };

export interface Comparing {
  readonly hook: HookName;
  readonly version: number;
  readonly seed: string;
  readonly sample: number | undefined;
}

export interface Upload {
  readonly records: readonly Sent[];
  readonly batchSize: number;
}

export interface Step {
  readonly waitMs: number;
  readonly operation: Operation;
}

export interface WorkloadParts {
  /** Each client of a run has a subject of its own. */
  readonly client: Client;
  readonly model: Model;
  /** Where codes are packed. */
  readonly directory: string;
  /** Where the hooks run in containers, and the registry that has them. */
  readonly images: Containers['images'] | undefined;
  readonly registry: string;
}

/** The convention of a run. */
export const slug = 'crash';

/**
 * The operations of two or three clients. Each point that is to have a fault is reached by one of them; each of them
 * does what is wanted of all.
 */
export function planClients(
  random: Random,
  wanted: {
    readonly points: readonly Point[];
    readonly operations: readonly Operation['kind'][];
    /** Few operations, where each batch takes long. */
    readonly isSmall: boolean;
  },
): Step[][] {
  const { isSmall } = wanted;
  const step = (operation: Operation) => ({ waitMs: random.int(0, 250), operation });
  const planned = { random, isSmall };
  const clients = Array.from({ length: isSmall ? 2 : random.int(2, 3) }, (_, client) =>
    Array.from({ length: isSmall ? random.int(1, 2) : random.int(3, 5) }, (_, index) =>
      step(client === 0 && index === 0 ? planIngest(planned) : planOperation(planned)),
    ),
  );
  for (const point of wanted.points) {
    const kind = reaching(point);
    if (kind) random.pick(clients.slice(1)).splice(1, 0, step(operationOf(kind, planned)));
  }
  for (const client of clients) {
    client.splice(1, 0, ...wanted.operations.map((kind) => step(operationOf(kind, planned))));
  }
  // Chance of its own, so that a seed keeps the other operations.
  const comparing = random.fork('comparisons');
  for (const client of clients) {
    if (!comparing.chance(0.3)) continue;
    client.splice(comparing.int(1, client.length), 0, {
      waitMs: comparing.int(0, 250),
      operation: { kind: 'compare', ...planComparison(comparing) },
    });
  }
  return clients;
}

function reaching(point: Point): Operation['kind'] | undefined {
  if (point.startsWith('mint')) return 'mint';
  if (point.startsWith('recompute')) return 'recompute';
  if (point.startsWith('comparison')) return 'compare';
  if (/^(deposition|hold|review)\./.test(point)) return 'deposit';
  return point.startsWith('live') ? 'rollback' : undefined;
}

/** Those that every deploy declares. */
const ownHooks = ['alpha', 'beta'] as const;

/** How likely each operation is, in hundredths. */
const weights: readonly (readonly [Operation['kind'], number])[] = [
  ['ingest', 28],
  ['heal', 4],
  ['burst', 4],
  ['deploy', 20],
  ['mint', 10],
  ['rollback', 14],
  ['activate', 6],
  ['recompute', 4],
  ['deposit', 6],
  ['replay', 4],
  ['pause', 6],
  ['cancel', 2],
  ['retry', 2],
];

interface Planning {
  readonly random: Random;
  readonly isSmall: boolean;
}

function planOperation(planning: Planning): Operation {
  const kinds = weights.flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind));
  return operationOf(planning.random.pick(kinds), planning);
}

function operationOf(kind: Operation['kind'], planning: Planning): Operation {
  const { random } = planning;
  const hook = random.pick(ownHooks);
  switch (kind) {
    case 'ingest':
      return planIngest(planning);
    case 'burst':
      return planBurst(planning);
    case 'deploy':
      return planDeploy(planning);
    case 'mint':
      return {
        ...{ kind, hook, part: planPart(planning), isWhole: random.chance(0.6) },
        ...{ live: random.chance(0.8), keyed: random.chance(0.7) },
      };
    case 'rollback':
      return { kind, hook, cancelRunning: random.chance(0.5), heal: random.chance(0.5) };
    case 'activate':
      return {
        ...{ kind, hook, version: random.int(1, 3) },
        ...{ cancelRunning: random.chance(0.5), heal: random.chance(0.5) },
      };
    case 'heal':
      return { kind, hook, waits: random.chance(0.6) };
    case 'recompute':
      return { kind, hook };
    case 'replay':
      return { kind, hook, sample: random.int(1, 4) };
    case 'compare':
      return { kind, ...planComparison(random) };
    case 'break':
      return { kind, hook };
    case 'pause':
      return { kind, hook: random.chance(0.5) ? hook : undefined, forMs: random.int(50, 600) };
    case 'cancel':
    case 'retry':
      return { kind };
    case 'deposit':
      return {
        ...{ kind, value: random.chance(0.3) ? -1 : random.int(0, 7), mended: random.int(0, 7) },
        decision: random.pick(['approve', 'approve', 'both', 'reject', 'withdraw']),
        // Chance of its own, so that a seed keeps the other operations.
        decidesAfterMs: random.fork('review').pick([0, 500, 2_000]),
      };
  }
}

export function planComparison(random: Random): Comparing {
  return {
    ...{ hook: random.pick(ownHooks), version: random.int(1, 3), seed: random.pick(['a', 'b', 'c']) },
    sample: random.chance(0.5) ? random.int(1, 6) : undefined,
  };
}

/** Small runs are those in containers, whose command is the image's and whose limits are the subject of checks. */
function planPart({ random, isSmall }: Planning): Part {
  return random.pick(isSmall ? ['code', 'config'] : ['code', 'code', 'config', 'command', 'limits']);
}

function planDeploy(planning: Planning): Operation {
  const { random } = planning;
  const fresh = random.some(hookNames, random.pick([0, 1, 1, 2, 3]));
  return {
    ...{ kind: 'deploy', fresh, part: planPart(planning) },
    gamma: random.chance(0.4),
    schema: random.pick(['1.0.0', '1.0.0', '1.1.0']),
  };
}

function planIngest({ random, isSmall }: Planning): Extract<Operation, { kind: 'ingest' }> {
  const records = random.some(sources, random.int(3, 10)).map((source) => planRecord(random, source));
  // One at most, so that the search for it never ends before it is found.
  const deadly = !isSmall && random.chance(0.5) ? random.int(0, records.length - 1) : undefined;
  const value = random.chance(0.5) ? deadlyValue : fussyValue;
  return {
    kind: 'ingest',
    records: records.map((record, index) => (index === deadly ? { ...record, value } : record)),
    batchSize: random.int(2, 6),
  };
}

function planBurst({ random, isSmall }: Planning): Operation {
  const same = random.some(sources, random.int(1, 3));
  const uploads = Array.from({ length: isSmall ? 2 : random.int(4, 7) }, () => ({
    records: same.map((source) => planRecord(random, source)),
    batchSize: random.int(1, 2),
  }));
  return { kind: 'burst', uploads };
}

const sources = Array.from({ length: 12 }, (_, index) => `s${index}`);

function planRecord(random: Random, source: string): Sent {
  const dice = random.next();
  if (dice < 0.05) return { source, value: 'not a number' };
  return { source, value: dice < 0.15 ? -1 : random.int(0, 7) };
}
