import type postgres from 'postgres';
import type { Sql } from '../connection/connect.ts';

type Expression = postgres.PendingQuery<postgres.Row[]>;

/**
 * Whether everybody may see a batch. Those of a deposition that is not accepted are for its owner and its reviewers only, who
 * read them by the deposition. One look by key for each batch, whatever the planner expects.
 */
export function isShown(sql: Sql, batch: Expression) {
  return sql`not exists (select from private_batches where batch = ${batch} offset 0)`;
}

/** The same for an ingestion. */
export function isShownIngestion(sql: Sql, ingestion: Expression) {
  return sql`not exists (select from private_batches where ingestion = ${ingestion} offset 0)`;
}
