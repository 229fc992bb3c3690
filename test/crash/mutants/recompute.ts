import type { Defect } from '../world/bundle.ts';
import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const first = `${core}/postgres/migrations/0001_initial.sql`;
const tables = `${core}/postgres/migrations/0005_recompute.sql`;
const recompute = `${core}/postgres/recompute`;
const test = 'test/recompute/recompute.test.ts';

/** The proofs of the database, without which a daemon's own mistake is stored. */
const withoutSupersessionProof: Defect = {
  file: first,
  find: `create trigger superseded after update on outcomes referencing new table as updated
  for each statement execute function prove_supersession();`,
  replace: '',
};
const withoutEndProof: Defect = {
  file: first,
  find: '    perform public.prove_recompute_end(new);\n',
  replace: '    null;\n',
};
const withoutRunGuard: Defect = {
  file: first,
  find: 'create trigger guard before insert on runs for each row execute function guard_run();',
  replace: '',
};

/** Many moves that heal, and recomputes, among uploads. */
const busy: Mutant['focus'] = {
  points: ['live.after-commit', 'claim.after-commit', 'write.before-commit', 'process.started'],
  actions: ['hold', 'kill'],
  operations: ['ingest', 'heal', 'recompute'],
};
/** Records that error when they are computed again, under releases whose code ends at them. */
const broken: Mutant['focus'] = {
  points: ['write.before-commit'],
  actions: ['hold'],
  operations: ['break', 'break'],
};

export const recomputeMutants: readonly Mutant[] = [
  {
    name: 'supersedes-another-hook',
    what: 'a recompute supersedes the outcome of another hook for the same record',
    defects: [
      {
        file: `${recompute}/commit.ts`,
        find: 'where old.id = n.current_outcome`;',
        replace:
          'where old.id = (select max(x.id) from outcomes x join outcomes c on c.id = n.current_outcome\n      where x.batch_record = c.batch_record and x.hook <> c.hook and x.superseded_by is null)`;',
      },
      withoutSupersessionProof,
      withoutEndProof,
    ],
    focus: busy,
    test,
  },
  {
    name: 'heal-afterwards',
    what: 'a heal is made in a transaction of its own, after the one that moves the pointer',
    defects: [
      {
        file: `${core}/hook/live.ts`,
        find: 'request.heal && changed && hook',
        replace: 'false && changed && hook',
      },
      {
        file: `${core}/hook/live.ts`,
        find: `      await failpoint('live.after-commit');\n`,
        replace: `      await failpoint('live.after-commit');
      if (move.request.heal && answer.changed && answer.from_version !== null) {
        const left = answer.from_version;
        const made = await store.write({ principal: writer.principal }, async ({ registry, recomputes, event }) => {
          const held = await registry.holdHook(hookName);
          if (!held) throw unknownHook(hookName);
          const healing = await recomputes.create(held.hook, {
            ...healOf(left, { seq: answer.live_seq, to: answer.live_version }),
            reason: answer.reason,
            claimed: held.claimed,
          });
          await event('recompute.created', eventOf(healing));
          return healing;
        });
        return { ...answer, recompute: made };
      }\n`,
      },
    ],
    focus: {
      points: ['live.after-commit'],
      actions: ['kill'],
      operations: ['rollback', 'activate', 'rollback', 'activate'],
    },
    test,
  },
  {
    name: 'recompute-pins',
    what: 'a recompute runs the release that was live when it began',
    defects: [
      {
        file: `${recompute}/snapshot.ts`,
        find: `select \${uuid7()}, \${id}, name, live_version from hooks where name = \${name}\`;`,
        replace: `select \${uuid7()}, \${id}, c.hook, (
      select l.to_version from live_changes l where l.hook = c.hook and l.at <= c.created_at order by l.seq desc limit 1)
    from recomputes c where c.id = \${recompute}\`;`,
      },
      withoutRunGuard,
    ],
    focus: { ...busy, operations: ['ingest', 'recompute', 'rollback', 'activate', 'activate'] },
    test,
  },
  {
    name: 'overtaken-run',
    what: 'records that the live release has meanwhile are computed again all the same',
    defects: [
      {
        file: `${recompute}/snapshot.ts`,
        find: `else run.version <> h.live_version and run.version = any (s.releases) end as is_wanted`,
        replace: 'else true end as is_wanted',
      },
    ],
    focus: { ...busy, operations: ['ingest', 'recompute', 'recompute', 'rollback'] },
    test,
  },
  {
    name: 'errored-supersedes',
    what: 'a record that errored gives its old rows up',
    defects: [
      {
        file: `${recompute}/commit.ts`,
        find: `where run = run.id and batch_record = c.batch_record and status <> 'errored' offset 0`,
        replace: 'where run = run.id and batch_record = c.batch_record offset 0',
      },
      withoutSupersessionProof,
      withoutEndProof,
    ],
    focus: broken,
    test,
  },
  {
    name: 'not-the-newest',
    what: 'a record is computed again at its first version, not its newest',
    defects: [
      {
        file: `${recompute}/snapshot.ts`,
        find: 'where record_id = p.record_id order by version desc limit 1',
        replace: 'where record_id = p.record_id order by version limit 1',
      },
      withoutSupersessionProof,
      withoutEndProof,
    ],
    focus: { ...busy, operations: ['burst', 'burst', 'rollback'] },
    test,
  },
  {
    name: 'runs-forgotten',
    what: 'a heal does not wait for the batches that run the release which is left',
    defects: [
      {
        file: `${recompute}/create.ts`,
        find: 'releases.includes(batch.version) &&',
        replace: 'releases.length < 0 &&',
      },
      {
        file: `${recompute}/advance.ts`,
        find: 'if (await waitForOthers(tx, id))',
        replace: 'if (!waitForOthers)',
      },
    ],
    focus: {
      points: ['claim.after-commit', 'process.started', 'process.mid-output', 'write.before'],
      actions: ['hold', 'stop-past-lease', 'kill'],
      operations: ['ingest', 'heal', 'ingest', 'heal'],
    },
    test,
  },
  {
    name: 'counts-not-kept',
    what: 'the counts of current rows do not follow a recompute',
    defects: [
      {
        file: tables,
        find: `create trigger count after update on recompute_records referencing new table as updated
  for each statement execute function count_recomputed();`,
        replace: '',
      },
    ],
    focus: busy,
    test,
  },
  {
    name: 'place-first',
    what: 'the place where cutting stopped is kept, though the batch was not',
    defects: [
      {
        file: `${recompute}/advance.ts`,
        find: `  if (walk) return cut(tx, walk);\n`,
        replace: `  if (walk && Math.random() < 0.5) {
    await move(tx, walk, await nextStep(tx, walk));
    return 'goes on';
  }
  if (walk) return cut(tx, walk);\n`,
      },
    ],
    focus: busy,
    test,
  },
];
