import type { Focus } from '../harness.ts';
import type { Defect } from '../world/bundle.ts';

/** A defect that the harness must catch, as the smallest change of the source that makes it. */
export interface Mutant {
  readonly name: string;
  readonly what: string;
  readonly defects: readonly Defect[];
  /** The faults that bring it to light; all, without it. */
  readonly focus?: Focus;
  /** The file of the tests that catch it, too. */
  readonly test?: string;
  /** Whether only tests are to catch it: no row becomes wrong, or seeds meet it too rarely. */
  readonly isForTests?: true;
  /** Whether it is one of hooks in containers. */
  readonly inContainers?: true;
  /** Whether it is caught by what it leaves behind; another one is not. */
  readonly leavesBehind?: true;
}

const core = 'packages/core/src';
const tables = `${core}/postgres/migrations/0001_initial.sql`;

/** Without this guard of the database a daemon's own mistake would be stored. */
const withoutBatchGuard: Defect = {
  file: tables,
  find: 'create trigger guard before update on batches for each row execute function guard_batch();',
  replace: '',
};
const withoutOutcomeProof: Defect = {
  file: tables,
  find: `create trigger prove after insert on outcomes referencing new table as inserted
  for each statement execute function prove_outcomes();`,
  replace: '',
};

/** The guard locks the hook and looks at the pointer itself. */
const withoutRunGuard: Defect = {
  file: tables,
  find: 'create trigger guard before insert on runs for each row execute function guard_run();',
  replace: '',
};
const withoutConventionLock: Defect = {
  file: `${core}/postgres/queue/snapshot.ts`,
  find: `  await tx\`select from conventions where slug = \${convention} for share\`;\n`,
  replace: '',
};

export const mutants: readonly Mutant[] = [
  {
    name: 'no-fence',
    what: 'the final transaction does not ask whose the batch is; the database does not either',
    defects: [
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: `where id = \${claim.batch} and fence = \${claim.fence} and status = 'running' and lease_until > clock_timestamp()`,
        replace: `where id = \${claim.batch}`,
      },
      withoutBatchGuard,
      withoutOutcomeProof,
    ],
    focus: { points: ['write.before'], actions: ['stop-past-lease'] },
  },
  {
    name: 'resolved-again',
    what: 'a claim takes the release that is live, not the one of its snapshot',
    defects: [
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: 'join releases r on r.hook = run.hook and r.version = run.version\n    join hooks h on h.name = run.hook\n',
        replace:
          'join hooks h on h.name = run.hook\n    join releases r on r.hook = run.hook and r.version = h.live_version\n',
      },
      withoutOutcomeProof,
    ],
    focus: { points: ['claim.after-commit', 'process.started', 'process.mid-output', 'parse.mid'] },
  },
  {
    name: 'rows-outside',
    what: 'outcomes may get their rows in a transaction of their own, and a crash between the two loses them',
    defects: [
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: "await database.transaction((tx) => write(tx, node, claim, { results, ends, from: 'running' }));",
        replace: `const stored: (() => Promise<void>)[] = [];
    await database.transaction((tx) => write(tx, node, claim, { results, ends, from: 'running' }, stored));
    for (const store of stored) await store();`,
      },
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: '  { results: given, ends, from }: Ending,\n): Promise<void> {\n  await useIndexLookups(tx);',
        replace:
          '  { results: given, ends, from }: Ending,\n  stored: (() => Promise<void>)[] = [],\n): Promise<void> {\n  await useIndexLookups(tx);',
      },
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: 'await insertRows(tx, result, outcomes);',
        replace: 'stored.push(() => database_.transaction((later) => insertRows(later, result, outcomes)));',
      },
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: '  const ends = recordEnds(claim, results);\n',
        replace: '  const ends = recordEnds(claim, results);\n  database_ = database;\n',
      },
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: 'function countEnds(',
        replace: 'let database_: Database;\nfunction countEnds(',
      },
      {
        file: tables,
        find: ' and o.superseded_by is null and o.xmin = pg_current_xact_id()::xid, false)',
        replace: ', false)',
      },
    ],
    focus: { points: ['write.mid-rows'] },
  },
  {
    name: 'code-by-name',
    what: 'the runner keeps the code of a hook and starts it for every release; what it says it ran is the release',
    defects: [
      {
        file: `${core}/runners/process/process.ts`,
        find: "const source = await blobs.open(release.digest.replace(/^sha256:/, ''));",
        replace: `const kept = ((globalThis as any).kept ??= {});
  const source = await blobs.open((kept[release.command + release.limits.memory_bytes + hook] ??= release.digest).replace(/^sha256:/, ''));`,
      },
      {
        file: `${core}/runners/process/process.ts`,
        find: 'async function unpackCode({ release }: Task,',
        replace: 'async function unpackCode({ release, hook }: Task,',
      },
      {
        file: `${core}/runners/process/process.ts`,
        find: 'if (digest === release.digest) return digest;',
        replace: 'if (digest) return release.digest;',
      },
    ],
  },
  {
    name: 'unlocked-snapshot',
    what: 'a claim reads the live versions without locking the hooks, so a rollback can answer before it is stored; the database does not lock either',
    defects: [
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: 'order by name collate "C" for share`',
        replace: 'order by name collate "C"`',
      },
      withoutRunGuard,
    ],
    focus: { points: ['claim.after-snapshot'], actions: ['hold', 'stop-past-lease'] },
  },
  {
    name: 'joined-under-lock',
    what: 'a claim joins releases in the statement that locks, and sees old ones beside the new pointer; the convention is not locked, and neither the claim nor the database misses a hook',
    defects: [
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: `select name, live_version, paused_at is not null as paused from hooks where name = any (\${arrayText(names)}::text::text[])
    order by name collate "C" for share`,
        replace: `select h.name, r.version as live_version, h.paused_at is not null as paused
    from hooks h join releases r on r.hook = h.name and r.version = h.live_version
    where h.name = any (\${arrayText(names)}::text::text[])
    order by h.name collate "C" for share of h`,
      },
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: 'if (runs.length !== declared.length) {',
        replace: 'if (runs.length > declared.length) {',
      },
      withoutConventionLock,
      withoutBatchGuard,
    ],
    focus: {
      points: ['release.after-insert', 'release.after-pointer'],
      actions: ['hold'],
    },
  },
  {
    name: 'unlocked-pause',
    what: 'a claim looks whether its ingestion is paused without locking it, so a pause can answer before it is stored',
    defects: [
      {
        file: `${core}/postgres/queue/claim.ts`,
        find: `paused_at is not null as paused from \${of} for share`,
        replace: `paused_at is not null as paused from \${of}`,
      },
    ],
    focus: { points: ['claim.after-snapshot'], actions: ['hold'], operations: ['pause'] },
  },
  {
    name: 'cancel-passes-by',
    what: 'a cancellation ends what waits, and lets go on what runs',
    defects: [
      {
        file: `${core}/postgres/queue/end.ts`,
        find: "status in ('queued', 'running', 'parked', 'held')\n    order by id for no key update`",
        replace: "status in ('queued', 'parked', 'held')\n    order by id for no key update`",
      },
    ],
    focus: { points: ['process.mid-output'], actions: ['hold'], operations: ['cancel'] },
  },
  {
    name: 'left-runs-on',
    what: 'a move of the pointer says that it ends what runs under the release that it leaves, and does not',
    defects: [
      {
        file: `${core}/hook/live.ts`,
        find: 'await registry.claimAgain(left, why) : [];',
        replace: 'left : [];',
      },
    ],
    focus: { points: ['process.mid-output'], actions: ['hold'], operations: ['rollback'] },
    test: 'test/run/cancel-running.test.ts',
  },
  {
    name: 'place-lost',
    what: 'a batch that takes the place of another one holds up nothing that waited for that',
    defects: [
      {
        file: `${core}/postgres/queue/claim-again.ts`,
        find: `where predecessor = \${old.batch} and batch <> \${batch}`,
        replace: `where false and predecessor = \${old.batch} and batch <> \${batch}`,
      },
    ],
    test: 'test/run/cancel-running.test.ts',
    isForTests: true,
  },
  {
    name: 'no-gates-at-claim',
    what: 'a batch is claimed although an earlier one holds the same sources',
    defects: [
      {
        file: `${core}/postgres/queue/candidate.ts`,
        find: "select from ahead a join batches p on p.id = a.id where p.status in ('queued', 'running', 'parked', 'held'))",
        replace: "select from ahead a join batches p on p.id = a.id where p.status = 'nothing')",
      },
    ],
    focus: { points: ['claim.after-commit', 'process.started', 'parse.mid'] },
  },
  {
    name: 'no-gates-at-seal',
    what: 'an upload does not note the unfinished batches of its sources',
    defects: [
      {
        file: `${core}/postgres/queue/seal.ts`,
        find: "where p.id <> v.batch and p.status <> 'done'`",
        replace: "where p.id <> v.batch and p.status = 'running'`",
      },
    ],
    focus: { points: ['claim.after-commit', 'process.started', 'parse.mid'] },
  },
  {
    name: 'unlocked-pointer',
    what: 'deploys and rollbacks read the pointer without locking the hook',
    defects: [
      {
        file: `${core}/postgres/registry/state.ts`,
        find: "lock === 'locked' ? tx`for no key update` : tx``",
        replace: "lock === 'locked' ? tx`` : tx``",
      },
      {
        file: `${core}/postgres/migrations/0015_speed.sql`,
        find: 'where name = any (named) order by name collate "C" for no key update;',
        replace: 'where name = any (named) order by name collate "C";',
      },
    ],
    focus: { points: ['live.after-lock', 'release.after-lock'], actions: ['hold', 'stop-past-lease'] },
  },
  {
    name: 'forgotten-answers',
    what: 'a request that was answered already is done again under its key',
    defects: [
      {
        file: `${core}/postgres/registry/stored-answers.ts`,
        find: '  return stored.response;\n',
        replace: '  return undefined;\n',
      },
      {
        file: `${core}/postgres/migrations/0015_speed.sql`,
        find: "if earlier.at > now() - interval '24 hours' then",
        replace: 'if false then',
      },
    ],
    focus: {
      points: ['submit.after-commit', 'live.after-commit', 'release.after-commit', 'submit.after-events'],
    },
  },
  {
    name: 'unchanged-from-any',
    what: 'a record is unchanged when any version, not only the newest, has its content',
    defects: [
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: 'where record_id = s.record_id order by version desc limit 1) newest',
        replace: 'where record_id = s.record_id offset 0) newest',
      },
    ],
  },
  {
    name: 'half-counts',
    what: 'the output of a hook that was killed or failed is taken as if it had ended well',
    defects: [
      {
        file: `${core}/run/policy.ts`,
        find: "exited_nonzero: 'divide',",
        replace: "exited_nonzero: 'done',",
      },
    ],
    focus: { points: ['process.mid-output'] },
  },
  {
    name: 'half-forgotten',
    what: 'when a hook dies, only the first half of its records is run again',
    defects: [
      {
        file: `${core}/run/attempts.ts`,
        find: 'waiting.push(part.slice(half), part.slice(0, half));',
        replace: 'waiting.push(part.slice(0, half));',
      },
    ],
    focus: { points: ['process.mid-output'], actions: ['hook-exit'] },
  },
  {
    name: 'lease-ignored',
    what: 'a batch is claimed while another worker holds it',
    defects: [
      {
        file: `${core}/postgres/queue/candidate.ts`,
        find: `and (status <> 'running' or \${isLeaseOver(tx, tx\`lease_until\`)})`,
        replace: '',
      },
    ],
  },
  {
    name: 'rejected-published',
    what: 'a record is published when any hook passes it',
    defects: [
      {
        file: `${core}/run/verdict.ts`,
        find: 'if (failures.length === 0) return',
        replace: 'if (failures.length < 2) return',
      },
    ],
  },
  {
    name: 'orphans-stay',
    what: 'a daemon that starts leaves the directories of its dead predecessor',
    defects: [
      {
        file: `${core}/runners/shared/sweep.ts`,
        find: 'for (const { name } of attempts) await removeTree(join(root, name));',
        replace: '',
      },
    ],
    focus: { points: ['process.started', 'process.exited', 'parse.mid', 'cleanup.mid'] },
    leavesBehind: true,
  },
  {
    name: 'hooks-outlive-daemons',
    what: 'a daemon that starts lets the code of its dead predecessor run on',
    defects: [
      {
        file: `${core}/runners/process/process.ts`,
        find: '    await endAll({ directory, group });\n  }\n  await endAll({ directory: root, group: undefined });\n',
        replace: '  }\n',
      },
    ],
    focus: { points: ['process.mid-output'], actions: ['kill'] },
    leavesBehind: true,
  },
  {
    name: 'loss-not-heard',
    what: 'a daemon that has lost a lease lets the code run on',
    defects: [
      {
        file: `${core}/run/lease.ts`,
        find: 'return { signal: AbortSignal.any([lost.signal, stop]), stopRenewing',
        replace: 'return { signal: stop, stopRenewing',
      },
    ],
    focus: { points: ['process.mid-output'], actions: ['blackhole', 'stop-past-lease'] },
  },
];
