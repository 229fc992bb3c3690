import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const tables = `${core}/postgres/migrations/0001_initial.sql`;
const minting = `${core}/postgres/migrations/0015_speed.sql`;

/** Defects of what is written down: releases and their pointers, rows and events, attempts and their ends. */
export const historyMutants: readonly Mutant[] = [
  {
    name: 'salted-fingerprint',
    what: 'the same release again has another fingerprint, and becomes a version of its own',
    defects: [
      {
        file: `${core}/hook/release.ts`,
        find: 'config, limits: normaliseLimits(limits) }));',
        replace: 'config, limits: normaliseLimits(limits), salt: Math.random() }));',
      },
    ],
  },
  {
    name: 'versions-with-gaps',
    what: 'now and then a version is left out; the database lets it',
    defects: [
      {
        file: tables,
        find: 'if new.release_count not in (old.release_count, old.release_count + 1) then',
        replace: 'if new.release_count < old.release_count then',
      },
      {
        file: tables,
        find: '  foreign key (hook, previous_version) references releases (hook, version),\n',
        replace: '',
      },
      {
        file: minting,
        find: '        release_count = release_count + 1,\n',
        replace:
          '        release_count = release_count + 1 + (hashtext(new_fingerprint) % 3 = 0)::integer,\n',
      },
      {
        file: minting,
        find: 'live_version = case when goes_live then release_count + 1 else live_version end',
        replace: `live_version = case when goes_live then release_count + 1 + (hashtext(new_fingerprint) % 3 = 0)::integer
                          else live_version end`,
      },
    ],
  },
  {
    name: 'moves-not-flushed',
    what: 'a live change is answered before it is on its way to the disk, and PostgreSQL loses it when it is killed',
    defects: [
      {
        file: `${core}/postgres/registry/writes.ts`,
        find: '  const [change] = await tx<LiveChange[]>`\n    with moved as (',
        replace:
          '  void tx`set local synchronous_commit = off`.execute();\n  const [change] = await tx<LiveChange[]>`\n    with moved as (',
      },
    ],
    focus: { points: ['live.after-commit'], actions: ['pg-immediate'], operations: ['rollback'] },
  },
  {
    name: 'rows-of-nobody',
    what: 'a row names a run that is not its outcome’s; the database does not ask',
    defects: [
      {
        file: `${core}/postgres/queue/insert-rows.ts`,
        find: 'const parameters = [run.id, outcomeIds',
        replace: 'const parameters = [crypto.randomUUID(), outcomeIds',
      },
      {
        file: `${core}/postgres/migrations/0009_recall.sql`,
        find: `  execute format('create trigger prove after insert on features.%I referencing new table as inserted '
    'for each statement execute function public.prove_rows()', hook_name);\n`,
        replace: '',
      },
    ],
  },
  {
    name: 'ended-twice',
    what: 'a worker that has lost its batch ends an attempt that was given up already; the database lets it',
    defects: [
      {
        file: `${core}/postgres/queue/attempts.ts`,
        find: `where run = \${run} and n = \${n} and finished_at is null\n    )`,
        replace: `where run = \${run} and n = \${n}\n    )`,
      },
      {
        file: tables,
        find: `create trigger once before update on attempts for each row when (
  old.finished_at is not null or new.finished_at is null`,
        replace: `create trigger once before update on attempts for each row when (
  new.finished_at is null`,
      },
    ],
    focus: { points: ['process.mid-output', 'process.exited'], actions: ['stop-past-lease'] },
  },
  {
    name: 'attempts-left-open',
    what: 'the attempts of a worker that is dead are never ended',
    defects: [
      {
        file: `${core}/postgres/queue/claim.ts`,
        find: '  if (candidate.hasSnapshot) await abandonAttempts(tx, [candidate.id]);\n',
        replace: '',
      },
    ],
    focus: { points: ['process.started', 'process.exited', 'parse.mid'], actions: ['kill'] },
  },
  {
    name: 'end-not-told',
    what: 'the end of a batch is not in the outbox under its name',
    defects: [
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: "values ('batch.finished'",
        replace: "values ('batch.ended'",
      },
    ],
  },
  {
    name: 'move-not-told',
    what: 'a live change is not in the outbox',
    defects: [
      {
        file: `${core}/hook/live.ts`,
        find: "changed && event(kind === 'rollback' ? 'hook.rolled_back' : 'hook.activated', told),",
        replace: 'void told,',
      },
    ],
    focus: { points: ['live.after-lock'], operations: ['rollback'] },
  },
];
