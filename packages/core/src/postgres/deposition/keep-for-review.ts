import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import type { OutputReader, RowChunk, Verdict } from '../../run/output/judgement.ts';
import type { Claim, RunResult } from '../../run/queue.ts';
import type { Database, Transaction } from '../connection/connect.ts';
import { isCommitUnknown } from '../connection/sqlstate.ts';
import { leaseLost } from '../queue/lease.ts';
import { useIndexLookups } from '../queue/plans.ts';

/** Rows of a chunk; it is read and written as one text. */
const rowsPerChunk = 10_000;

/**
 * Puts a batch into review: what its hooks have answered is kept, and nothing of it is published. Fence and lease are
 * checked first, as in a commit, by the database's clock, and a lost answer to COMMIT is looked up.
 *
 * @throws OsaError `lease_lost`
 */
export async function hold(database: Database, claim: Claim, results: readonly RunResult[]): Promise<void> {
  try {
    await database.transaction((tx) => keep(tx, claim, results));
  } catch (error) {
    if (!isCommitUnknown(error)) throw error;
    await requireHeld(database, claim, error);
  }
  await failpoint('hold.after-commit');
}

async function keep(tx: Transaction, claim: Claim, results: readonly RunResult[]): Promise<void> {
  const { batch, fence } = claim;
  await useIndexLookups(tx);
  const held = await tx`
    update batches set status = 'held', lease_until = null, claimed_by = null, reason = null
    where id = ${batch} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp()
    returning id`;
  if (held.length === 0) throw leaseLost(batch);
  await failpoint('hold.before-rows');
  for (const result of results) await keepRun(tx, claim, result);
  await failpoint('hold.before-commit');
}

/** The part of a result that the commit takes, apart from its rows. */
interface Kept {
  readonly reason: string | null;
  readonly attempt: number | null;
  readonly answeredBy: readonly (readonly [string, number])[];
  readonly startedAt: string | null;
  readonly inputDigest: string;
  readonly verdicts: readonly (readonly [string, Verdict])[] | null;
}

async function keepRun(tx: Transaction, { batch, fence }: Claim, result: RunResult): Promise<void> {
  const { run, status, output, answeredBy, ...rest } = result;
  const judgement = output?.judgement;
  const kept: Kept = {
    reason: rest.reason,
    attempt: rest.attempt,
    answeredBy: [...answeredBy],
    startedAt: rest.startedAt,
    inputDigest: rest.inputDigest,
    verdicts: judgement ? [...judgement.verdicts] : null,
  };
  await tx`
    insert into held_runs (run, batch, fence, status, output_digest, row_count, result)
    values (${run.id}, ${batch}, ${fence}, ${status}, ${judgement?.outputDigest ?? null}, ${judgement?.rowCount ?? 0},
            ${JSON.stringify(kept)}::text::json)`;
  if (!output || output.judgement.rowCount === 0) return;
  let position = 0;
  for await (const chunk of output.rows({ rowsPerChunk })) {
    await tx`
      insert into held_rows (run, position, chunk) values (${run.id}, ${position}, ${JSON.stringify(chunk)}::text::json)`;
    position += 1;
  }
}

async function requireHeld(database: Database, { batch, fence }: Claim, cause: unknown): Promise<void> {
  const isHeld = await database.transaction(async (tx) => {
    const [row] = await tx<{ status: string; fence: string }[]>`
      select status, fence from batches where id = ${batch} for share`;
    // It may have been decided by now.
    return row?.fence === fence && row.status !== 'running';
  });
  if (isHeld) return;
  throw new OsaError('unavailable', `batch ${batch}: the connection was lost before it was held`, { cause });
}

/** The results that a batch in review has, as the hooks gave them. */
export async function heldResults(tx: Transaction, { runs }: Claim): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (const run of runs) {
    type Row = { status: RunResult['status']; output_digest: string; rows: number; result: string };
    const [found] = await tx<Row[]>`
      select status, output_digest, row_count::float8 as rows, result::text as result from held_runs where run = ${run.id}`;
    if (!found) throw new OsaError('internal', `run ${run.id} is in review without an answer`);
    const { verdicts, answeredBy, ...kept } = JSON.parse(found.result) as Kept;
    const answers = verdicts && {
      verdicts: new Map(verdicts),
      outputDigest: found.output_digest,
      rowCount: found.rows,
    };
    const output = answers && heldOutput(tx, run.id, answers);
    results.push({ run, status: found.status, ...kept, answeredBy: new Map(answeredBy), output });
  }
  return results;
}

function heldOutput(
  tx: Transaction,
  run: string,
  answers: Pick<OutputReader['judgement'], 'verdicts' | 'outputDigest' | 'rowCount'>,
): OutputReader {
  async function* rows(): AsyncGenerator<RowChunk> {
    for (let position = 0; ; position += 1) {
      const [found] = await tx<{ chunk: string }[]>`
        select chunk::text as chunk from held_rows where run = ${run} and position = ${position}`;
      if (!found) return;
      yield JSON.parse(found.chunk) as RowChunk;
    }
  }
  const judgement = { ...answers, open: [], strayLines: 0, strayExamples: [], failure: null };
  return { judgement, rows };
}
