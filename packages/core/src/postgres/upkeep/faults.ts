import type { Transaction } from '../connection/connect.ts';

/** Something that is not as it was written. */
export interface Fault {
  /** The table, or `blob`. */
  readonly of: string;
  /** Which of them, as people name it. */
  readonly name: string;
  readonly problem: string;
}

/** One statement over whole tables, which answers `name` and `problem` for each fault. */
export interface Check {
  readonly of: string;
  readonly sql: string;
}

/** The number of things that were checked, and their faults. */
export interface Findings {
  readonly faults: readonly Fault[];
  /** Whether there are more than are listed. */
  readonly isCut: boolean;
}

/** The most faults of one check that are listed. */
export const mostFaults = 100;

/** Runs checks one after the other, each up to its bound. */
export async function runChecks(tx: Transaction, checks: readonly Check[]): Promise<Findings> {
  const faults: Fault[] = [];
  let isCut = false;
  for (const { of, sql } of checks) {
    const rows = await tx.unsafe<{ name: string; problem: string }[]>(
      `select name::text, problem::text from (${sql}) found limit ${mostFaults + 1}`,
    );
    isCut ||= rows.length > mostFaults;
    faults.push(...rows.slice(0, mostFaults).map(({ name, problem }) => ({ of, name, problem })));
  }
  return { faults, isCut };
}

/** Checks read whole tables, which the plans of a daemon's sessions avoid. */
export async function planForWholeTables(tx: Transaction): Promise<void> {
  await tx`select set_config(name, 'on', true)
    from unnest(array['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_material']) as name`;
}
