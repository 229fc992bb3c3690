import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const tables = `${core}/postgres/migrations/0001_initial.sql`;
const test = 'test/run/attribution.test.ts';

const live = (hook: string) => `(select live_version from hooks where name = ${hook})`;
const partOfLive = (part: string) =>
  `(select l.${part} from releases l where l.hook = run.hook and l.version = h.live_version) as ${part}`;
/** Batches that are claimed again after releases were made. */
const interrupted: Mutant['focus'] = {
  points: ['claim.after-commit', 'process.started', 'process.mid-output', 'parse.mid'],
  actions: ['kill', 'hold', 'stop-past-lease'],
  operations: ['mint'],
};

/** Each reading of a run's release, taken from the release that is live. */
export const attributionMutants: readonly Mutant[] = [
  {
    name: 'config-of-live',
    what: 'a run gets the config of the release that is live, and all else of its own',
    defects: [
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: 'r.digest, r.command, r.config, r.limits,\n',
        replace: `r.digest, r.command, ${partOfLive('config')}, r.limits,\n`,
      },
    ],
    focus: interrupted,
    test,
  },
  {
    name: 'command-of-live',
    what: 'a run is started by the command of the release that is live, and all else is its own',
    defects: [
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: 'r.digest, r.command, r.config, r.limits,\n',
        replace: `r.digest, ${partOfLive('command')}, r.config, r.limits,\n`,
      },
    ],
    focus: interrupted,
    test,
  },
  {
    name: 'limits-of-live',
    what: 'a run gets the limits of the release that is live, and all else of its own',
    defects: [
      {
        file: `${core}/postgres/queue/snapshot.ts`,
        find: 'r.digest, r.command, r.config, r.limits,\n',
        replace: `r.digest, r.command, r.config, ${partOfLive('limits')},\n`,
      },
    ],
    test,
    isForTests: true,
  },
  {
    name: 'trace-of-live',
    what: 'the trace of a row names the release that is live',
    defects: [
      {
        file: `${core}/postgres/trace/rows-and-records.ts`,
        find: 'facts.release(hook, run.version, found.has_sources)',
        replace: 'facts.release(hook, found.live_version ?? 0, found.has_sources)',
      },
    ],
    focus: interrupted,
    test,
  },
  {
    name: 'record-trace-of-live',
    what: 'the trace of a record names the digest that is live for each of its rows',
    defects: [
      {
        file: `${core}/postgres/trace/rows-and-records.ts`,
        find: "rel.version = run.version), '[]')::text as rows",
        replace: `rel.version = ${live('run.hook')}), '[]')::text as rows`,
      },
    ],
    focus: interrupted,
    test,
  },
  {
    name: 'record-trace-version-of-live',
    what: 'the trace of a record names the version that is live for each of its rows',
    defects: [
      {
        file: `${core}/postgres/trace/rows-and-records.ts`,
        find: "'release', run.version, 'digest'",
        replace: `'release', ${live('run.hook')}, 'digest'`,
      },
    ],
    focus: interrupted,
    test,
  },
  {
    name: 'introduction-of-live',
    what: 'the trace of a row says who made the live release live, not its own',
    defects: [
      {
        file: `${core}/postgres/trace/facts.ts`,
        find: 'c.to_version = r.version order by',
        replace: 'c.to_version = h.live_version order by',
      },
    ],
    focus: interrupted,
    test,
  },
  {
    name: 'run-of-live',
    what: 'a run is shown with the digest of the release that is live',
    defects: [
      {
        file: `${core}/postgres/runs.ts`,
        find: `rel.version = run.version\n    where run.id = \${id} and`,
        replace: `rel.version = ${live('run.hook')}\n    where run.id = \${id} and`,
      },
    ],
    focus: interrupted,
    test,
  },
  {
    name: 'listed-run-of-live',
    what: 'a run is listed with the id of the release that is live',
    defects: [
      {
        file: `${core}/postgres/runs.ts`,
        find: `rel.version = run.version\n    where \${isShown`,
        replace: `rel.version = ${live('run.hook')}\n    where \${isShown`,
      },
    ],
    test,
    isForTests: true,
  },
  {
    name: 'data-of-live',
    what: 'the data route gives rows the version that is live',
    defects: [
      {
        file: `${core}/postgres/data/rows.ts`,
        find: 'return sql`run.version`;',
        replace: `return sql\`${live('run.hook')}\`;`,
      },
    ],
    test,
    isForTests: true,
  },
  {
    name: 'view-of-live',
    what: 'the view of a hook for users of SQL gives rows the version that is live',
    defects: [
      {
        file: `${core}/postgres/migrations/0009_recall.sql`,
        find: 'f.run_id, run.version as release%2$s',
        replace: 'f.run_id, (select live_version from public.hooks where name = run.hook) as release%2$s',
      },
    ],
    test,
    isForTests: true,
  },
  {
    name: 'runner-of-live',
    what: 'whether a worker can start a batch with a snapshot is asked of the releases that are live',
    defects: [
      {
        file: `${core}/postgres/queue/candidate.ts`,
        find: 'l.hook = r.hook and l.version = r.version',
        replace: 'l.hook = r.hook and l.version = h.live_version',
      },
    ],
    test,
    isForTests: true,
  },
  {
    name: 'proof-of-live',
    what: 'the database proves answers against the digest that is live',
    defects: [
      {
        file: tables,
        find: 'where hook = r.hook and version = r.version offset 0) l',
        replace:
          'where hook = r.hook and version = (select live_version from public.hooks where name = r.hook) offset 0) l',
      },
    ],
    test,
    isForTests: true,
  },
];
