import type { Defect } from '../world/bundle.ts';
import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const queue = `${core}/postgres/recompute/replay/queue.ts`;

/** The proofs of the database, without which a daemon's own mistake is stored. */
const withoutCertificateProof: Defect = {
  file: `${core}/postgres/migrations/0008_replay.sql`,
  find: `create trigger prove after insert on replay_certificates referencing new table as inserted
  for each statement execute function prove_replay_certificates();`,
  replace: '',
};
const withoutRowProof: Defect = {
  file: `${core}/postgres/migrations/0009_recall.sql`,
  find: `  execute format('create trigger prove after insert on features.%I referencing new table as inserted '
    'for each statement execute function public.prove_rows()', hook_name);\n`,
  replace: '',
};

/** Many replays of several releases, among moves. */
const busy: Mutant['focus'] = {
  points: ['claim.after-commit', 'write.before-commit'],
  actions: ['hold'],
  operations: ['ingest', 'replay', 'rollback', 'ingest', 'replay', 'activate', 'replay'],
};

export const replayMutants: readonly Mutant[] = [
  {
    name: 'replay-of-live',
    what: 'a replay runs the live release and not that of the run',
    defects: [
      {
        file: queue,
        find: `    join releases r on r.hook = run.hook and r.version = run.version
    join hooks h on h.name = run.hook
    where p.id`,
        replace: `    join hooks h on h.name = run.hook
    join releases r on r.hook = run.hook and r.version = h.live_version
    where p.id`,
      },
      withoutCertificateProof,
    ],
    focus: busy,
    test: 'test/replay/replay.test.ts',
  },
  {
    name: 'replay-leaves-rows',
    what: 'the end of a replay stores the rows that it has compared once more',
    defects: [
      {
        file: `${core}/postgres/recompute/replay/end.ts`,
        find: `  const ended = await end(tx, lease, { status: 'done', reason: null });\n`,
        replace: `  const ended = await end(tx, lease, { status: 'done', reason: null });
  const [beta] = await tx\`select to_regclass('features.beta') is not null as made\`;
  if (beta?.made) await tx\`
    insert into features.beta (outcome_id, run_id, ordinal, oracle, config, argument, source, value)
    select f.outcome_id, f.run_id, f.ordinal + 100, f.oracle, f.config, f.argument, f.source, f.value
    from replay_outcomes w join features.beta f on f.outcome_id = w.outcome
    where w.part = \${lease.batch} and f.ordinal < 100
      and not exists (select from features.beta x where x.outcome_id = f.outcome_id and x.ordinal = f.ordinal + 100)\`;\n`,
      },
      withoutRowProof,
    ],
    focus: busy,
  },
];
