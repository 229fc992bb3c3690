import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const leases = 'test/run/leases.test.ts';
const arrival = 'test/run/arrival.test.ts';
const fence = ` and fence = \${fence}`;
const time = ' and lease_until > clock_timestamp()';

/** Each check of a fence, a lease's time and a gate, left out. */
export const queueMutants: readonly Mutant[] = [
  ...left('commit', {
    file: `${core}/postgres/queue/commit.ts`,
    line: `where id = \${claim.batch} and fence = \${claim.fence} and status = 'running' and lease_until > clock_timestamp()\n    returning id\`;`,
    checks: [` and fence = \${claim.fence}`, time],
  }),
  ...left('start', {
    file: `${core}/postgres/queue/attempts.ts`,
    line: `where id = \${batch} and fence = \${fence} and status = 'running' and lease_until > clock_timestamp()\n    for share`,
    checks: [fence, time],
  }),
  ...left('renewal', {
    file: `${core}/postgres/queue/lease.ts`,
    line: `where id = \${batch} and fence = \${fence} and status = 'running' and lease_until > clock_timestamp()\n    returning id`,
    checks: [fence, time],
  }),
  ...left('stop', {
    file: `${core}/postgres/queue/end.ts`,
    line: `where id = \${claim.batch} and fence = \${claim.fence} and status = 'running' and lease_until > clock_timestamp()\`;`,
    checks: [` and fence = \${claim.fence}`, time],
  }),
  ...left('return', {
    file: `${core}/postgres/queue/lease.ts`,
    line: `where id = \${batch} and fence = \${fence} and status = 'running'\n      returning id`,
    checks: [fence],
  }),
  ...left('setting-aside', {
    file: `${core}/postgres/queue/set-aside.ts`,
    line: `where id = \${id} and fence = \${fence} and status in`,
    checks: [fence],
  }),
  {
    name: 'commit-of-anybody',
    what: 'when the answer to a COMMIT is lost, a batch that anybody has ended counts as ended by us',
    defects: [
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: "return row?.status === 'done' && row.fence === claim.fence;",
        replace: "return row?.status === 'done';",
      },
    ],
    test: leases,
    isForTests: true,
  },
  {
    name: 'unlocked-publication',
    what: 'a record can be published at a moment for which a reader has found that nothing is under way',
    defects: [
      {
        file: `${core}/postgres/queue/commit.ts`,
        find: `  await tx\`select pg_advisory_xact_lock(hashtext('osa.publish'), hashtext(\${claim.convention}))\`;\n`,
        replace: '',
      },
    ],
    test: 'test/run/publication-time.test.ts',
    isForTests: true,
  },
  {
    name: 'failed-gates-at-claim',
    what: 'a batch that failed ends the row of those that wait behind it, though it waited itself',
    defects: [
      {
        file: `${core}/postgres/queue/candidate.ts`,
        find: "join batches p on p.id = a.id and p.status = 'failed'\n",
        replace: "join batches p on p.id = a.id and p.status = 'nothing'\n",
      },
    ],
    focus: {
      points: ['process.mid-output', 'process.started'],
      actions: ['hold'],
      operations: ['burst', 'cancel', 'burst'],
    },
    test: arrival,
  },
  {
    name: 'failed-gates-at-seal',
    what: 'an upload does not note a batch of its sources that failed while that waited for another',
    defects: [
      {
        file: `${core}/postgres/queue/seal.ts`,
        find: "where p.id <> v.batch and p.status <> 'done'`",
        replace: "where p.id <> v.batch and p.status in ('queued', 'running', 'parked')`",
      },
    ],
    focus: {
      points: ['process.mid-output', 'process.started'],
      actions: ['hold'],
      operations: ['burst', 'cancel', 'burst'],
    },
    test: arrival,
  },
  {
    name: 'failed-gates-at-retry',
    what: 'what is tried again does not wait for what its failed batch waited for',
    defects: [
      {
        file: `${core}/postgres/queue/retry.ts`,
        find: "and p.status = 'failed'`",
        replace: "and p.status = 'nothing'`",
      },
    ],
    focus: {
      points: ['process.mid-output', 'process.started'],
      actions: ['hold'],
      operations: ['burst', 'cancel', 'retry'],
    },
    test: arrival,
  },
  {
    name: 'retry-overtakes',
    what: 'a retry runs what failed although newer content of its source has come in',
    defects: [
      {
        file: `${core}/postgres/queue/retry.ts`,
        find: 'candidates.filter((candidate) => candidate.newest)',
        replace: 'candidates.filter(() => true)',
      },
    ],
    focus: {
      points: ['process.mid-output'],
      actions: ['hold', 'hook-exit'],
      operations: ['burst', 'cancel', 'burst'],
    },
    test: arrival,
  },
];

/** A mutant for each check of a statement: its row is right without it, since another check or the database stops it. */
function left(
  step: string,
  {
    file,
    line,
    checks,
  }: { readonly file: string; readonly line: string; readonly checks: readonly string[] },
): Mutant[] {
  return checks.map((check) => {
    const kind = check === time ? 'lease' : 'fence';
    return {
      name: `${step}-without-${kind}`,
      what: `the ${step} of a batch does not ask for the ${kind === 'lease' ? "lease's time" : 'fence'}`,
      defects: [{ file, find: line, replace: line.replace(check, () => '') }],
      test: leases,
      isForTests: true as const,
    };
  });
}
