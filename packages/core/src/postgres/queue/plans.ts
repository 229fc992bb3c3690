import type { Sql } from '../connection/connect.ts';

/**
 * For the rest of the transaction: index look-ups in the order in which a statement names its tables, whatever the
 * statistics say. Each statement is planned at the present size of its tables, so no session keeps the plan of a small one.
 */
export async function useIndexLookups(tx: Sql): Promise<void> {
  await tx`select ${lookups(tx)}, set_config('plan_cache_mode', 'force_custom_plan', true)`;
}

/**
 * The same, and sessions may keep their plans: for the few statements of a command that must answer at once, which need no
 * others however large their tables are. They are run in no other way.
 */
export async function keepIndexLookups(tx: Sql): Promise<void> {
  await tx`select ${lookups(tx)}`.execute();
}

function lookups(tx: Sql) {
  return tx`
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true)`;
}
