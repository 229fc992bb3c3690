import type { Sql } from '../connection/connect.ts';

/**
 * For the rest of the transaction: index look-ups in the order in which a statement names its tables, whatever the
 * statistics say. Each statement is planned at the present size of its tables, so no session keeps the plan of a small one.
 */
export async function useIndexLookups(tx: Sql): Promise<void> {
  await tx`
    select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
           set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true),
           set_config('plan_cache_mode', 'force_custom_plan', true)`;
}
