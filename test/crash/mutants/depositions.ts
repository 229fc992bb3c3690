import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const tables = `${core}/postgres/migrations/0011_depositions.sql`;

/**
 * Defects of depositions: nothing is published that nobody has approved, and a deposition's state is that of its batch.
 */
export const depositionMutants: readonly Mutant[] = [
  {
    name: 'published-unreviewed',
    what: 'what its hooks have passed is published without a review; the database does not ask for one',
    defects: [
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: "return deposition?.curation === 'manual' && ends.every(",
        replace: "return deposition?.curation === 'nothing' && ends.every(",
      },
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: 'function waitsForReview({ deposition }: Claim,',
        replace: 'function waitsForReview({ deposition }: any,',
      },
      {
        file: tables,
        find: `create constraint trigger reviewed after update on batches deferrable initially deferred
  for each row when (old.finished_at is null and new.finished_at is not null and new.ingestion is not null
                     and new.published > 0) execute function prove_reviewed();`,
        replace: '',
      },
    ],
    focus: { points: ['write.before-commit', 'hold.before-commit'], operations: ['deposit'] },
    test: 'test/deposition/life.test.ts',
  },
  {
    name: 'state-left-behind',
    what: 'the transaction that ends a batch does not change the state of its deposition',
    defects: [
      {
        file: tables,
        find: 'when (new.ingestion is not null and old.status <> new.status) execute function follow_batch();',
        replace: `when (new.ingestion is not null and old.status <> new.status and new.status <> 'done')
  execute function follow_batch();`,
      },
    ],
    focus: { points: ['review.decided', 'review.after-commit'], operations: ['deposit'] },
    test: 'test/deposition/life.test.ts',
  },
  {
    name: 'review-keeps-the-left',
    what: 'a heal leaves in review what the release that it leaves has answered',
    defects: [
      {
        file: `${core}/postgres/recompute/create.ts`,
        find: 'where id <> all (',
        replace: 'where false and id <> all (',
      },
      {
        file: `${core}/postgres/recompute/advance.ts`,
        find: 'if (await waitForOthers(tx, id))',
        replace: 'if (!waitForOthers)',
      },
    ],
    focus: { points: ['live.after-commit'], operations: ['deposit', 'heal', 'deposit', 'heal'] },
    test: 'test/recompute/in-review.test.ts',
  },
];
