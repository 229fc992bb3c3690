import { arrayLiteral, nullElement } from '../../array-literal.ts';
import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import type { RunResult } from '../../run/queue.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { columnSqlType } from '../registry/column-type.ts';

const rowsPerStatement = 10_000;

/**
 * Streams the rows of a run into its feature table, set by set; the table's trigger proves each set's run, hook
 * and outcomes.
 *
 * @throws OsaError `internal` when the output does not give the rows that were judged
 */
export async function insertRows(
  tx: Transaction,
  { run, output }: RunResult,
  outcomes: ReadonlyMap<string, string>,
): Promise<void> {
  if (!output || output.judgement.rowCount === 0) return;
  const { columns } = run.feature;
  const names = columns.map((column) => `, "${column.name}"`).join('');
  const arrays = columns
    .map((column, index) => `, unnest($${index + 4}::text::${columnSqlType(column, run.feature)}[])`)
    .join('');
  // Column names have passed the contract's pattern, which leaves nothing to quote.
  const statement =
    `insert into features."${run.hook}" (run_id, outcome_id, ordinal${names}) ` +
    `select $1::text::uuid, unnest($2::text::bigint[]), unnest($3::text::integer[])${arrays}`;
  let inserted = 0;
  for await (const chunk of output.rows({ rowsPerChunk: rowsPerStatement })) {
    // Ids are digits: nothing in them needs a quote.
    const outcomeIds = arrayLiteral(chunk.recordIds.map((id) => outcomes.get(id) ?? nullElement));
    const parameters = [run.id, outcomeIds, arrayText(chunk.ordinals), ...chunk.columns];
    await tx.unsafe(statement, parameters, { prepare: true });
    await failpoint('write.mid-rows');
    inserted += chunk.rowCount;
  }
  if (inserted !== output.judgement.rowCount) {
    throw new OsaError(
      'internal',
      `run ${run.id}: ${output.judgement.rowCount} rows were judged and ${inserted} read`,
    );
  }
}
