import type { Defect } from '../world/bundle.ts';
import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const queue = `${core}/postgres/recompute/comparison/queue.ts`;

const withoutRowProof: Defect = {
  file: `${core}/postgres/migrations/0009_recall.sql`,
  find: `  execute format('create trigger prove after insert on features.%I referencing new table as inserted '
    'for each statement execute function public.prove_rows()', hook_name);\n`,
  replace: '',
};

/** Comparisons among uploads and moves. */
const busy: Mutant['focus'] = {
  points: ['comparison.claimed', 'comparison.measured'],
  actions: ['hold', 'kill'],
  operations: ['ingest', 'compare', 'rollback', 'compare'],
};

const test = 'test/recompute/compare.test.ts';

export const comparisonMutants: readonly Mutant[] = [
  {
    name: 'comparison-of-live',
    what: 'a comparison runs the live release and not the one that was asked for',
    defects: [
      {
        file: queue,
        find: 'join releases r on r.hook = c.hook and r.version = c.version',
        replace: 'join releases r on r.hook = c.hook and r.version = h.live_version',
      },
    ],
    focus: busy,
    test,
  },
  {
    name: 'comparison-by-chance',
    what: 'the same seed draws other records',
    defects: [
      {
        file: queue,
        find: `order by sha256(convert_to(c.seed || ' ' || r.record_id, 'UTF8'))`,
        replace: 'order by random()',
      },
    ],
    focus: busy,
    test,
  },
  {
    name: 'comparison-leaves-rows',
    what: 'the end of a comparison stores rows of the outcomes that it has compared',
    defects: [
      {
        file: queue,
        find: `  const [status, report, problem] =\n`,
        replace: `  const [beta] = await sql\`select to_regclass('features.beta') is not null as made\`;
  if (beta?.made) await sql\`
    insert into features.beta (outcome_id, run_id, ordinal, oracle, config, argument, source, value)
    select f.outcome_id, f.run_id, f.ordinal + 100, f.oracle, f.config, f.argument, f.source, f.value
    from features.beta f where f.ordinal < 100
      and not exists (select from features.beta x where x.outcome_id = f.outcome_id and x.ordinal = f.ordinal + 100)\`;
  const [status, report, problem] =\n`,
      },
      withoutRowProof,
    ],
    focus: busy,
  },
  {
    name: 'comparison-moves',
    what: 'the end of a comparison makes its release live; the database refuses it, so it never ends',
    defects: [
      {
        file: queue,
        find: `  const [status, report, problem] =\n`,
        replace: `  await sql\`update hooks set live_version = (select version from comparisons where id = \${id})
    where name = (select hook from comparisons where id = \${id})\`;
  const [status, report, problem] =\n`,
      },
    ],
    focus: busy,
  },
  {
    name: 'comparison-cut-off',
    what: 'a comparison ends as failed when the database is away for a moment',
    defects: [
      {
        file: `${core}/recompute/comparison/execute.ts`,
        find: `    if (code !== 'unavailable') return queue.finish(held, { problem });`,
        replace: `    for (let tries = 0; tries < 50; tries += 1) {
      try { return await queue.finish(held, { problem }); } catch { await new Promise((done) => setTimeout(done, 20)); }
    }`,
      },
    ],
    focus: { ...busy, points: ['comparison.measured'], actions: ['cut', 'pg-immediate', 'pg-fast'] },
    test,
  },
];
