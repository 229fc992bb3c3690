export interface SessionLimits {
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly idleInTransactionTimeoutMs?: number;
}

/**
 * The settings on which statements here depend, by name, as each session gets them. A session inherits none of them
 * from `alter role`, `alter database` or the server's configuration: promises, spellings and plans would depend on those.
 */
export function sessionSettings(limits: SessionLimits): Readonly<Record<string, string>> {
  return {
    statement_timeout: String(limits.statementTimeoutMs ?? 30_000),
    lock_timeout: String(limits.lockTimeoutMs ?? 10_000),
    idle_in_transaction_session_timeout: String(limits.idleInTransactionTimeoutMs ?? 30_000),
    idle_session_timeout: '0',
    // Locks and constraints keep the promises; at other levels ordinary requests fail.
    default_transaction_isolation: 'read committed',
    default_transaction_read_only: 'off',
    default_transaction_deferrable: 'off',
    // A schema that is named after the role would stand before ours.
    search_path: 'public',
    row_security: 'on',
    // How values are spelled in statements and answers.
    TimeZone: 'UTC',
    DateStyle: 'ISO',
    IntervalStyle: 'postgres',
    extra_float_digits: '1',
    bytea_output: 'hex',
    standard_conforming_strings: 'on',
    array_nulls: 'on',
    transform_null_equals: 'off',
    // Statements look rows up by index, in the order in which they name their tables. Otherwise the planner takes a
    // convention that its statistics do not know for one row, and reads whole tables for each record.
    enable_seqscan: 'off',
    enable_hashjoin: 'off',
    enable_mergejoin: 'off',
    enable_material: 'off',
    enable_indexscan: 'on',
    enable_indexonlyscan: 'on',
    enable_bitmapscan: 'on',
    enable_nestloop: 'on',
    enable_sort: 'on',
    from_collapse_limit: '8',
    join_collapse_limit: '8',
    plan_cache_mode: 'auto',
    // Statements here are short, also where their cost is overestimated: to compile a claim took a hundred times as
    // long as to run it, on servers that can.
    jit: 'off',
  };
}

/**
 * Sets all of it once more in the open session, since a pooler may have been told to ignore the parameters of a start.
 * It also sets `transaction_timeout`, which older servers lack and would refuse. A session that would answer before its
 * commits are on the disk is made to wait; what waits for more than that, as for replicas, stays.
 */
export function settingStatement(settings: Readonly<Record<string, string>>): string {
  const set = Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', false)`);
  return `select ${set.join(', ')},
    case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', false) end,
    case when current_setting('transaction_timeout', true) is not null
      then set_config('transaction_timeout', '0', false) end`;
}

/** The parameters that the start of a session names, for people who configure a pooler. */
export function startParameters(): string[] {
  return Object.keys(sessionSettings({}));
}
