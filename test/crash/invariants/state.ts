import type { Limits } from '@osa/core/hook/release';
import type { Database } from '@osa/core/postgres/connection/connect';
import type { ComparisonReport } from '@osa/core/recompute/comparison/comparisons';
import { hookNames } from '../hooks.ts';

/** All that a run has left in its database, read from one moment. */
export interface State {
  readonly hooks: readonly {
    name: string;
    release_count: number;
    live_seq: number | null;
    live_version: number | null;
  }[];
  readonly releases: readonly Release[];
  readonly changes: readonly LiveChange[];
  readonly deploys: readonly { id: string; hooks: string[]; xact: string }[];
  readonly ingestions: readonly { id: string }[];
  readonly events: readonly StoredEvent[];
  readonly batches: readonly Batch[];
  readonly batchRecords: readonly BatchRecord[];
  readonly runs: readonly {
    id: string;
    batch: string;
    hook: string;
    version: number;
    status: string | null;
  }[];
  readonly attempts: readonly {
    run: string;
    n: number;
    fence: string;
    finished: boolean;
    finished_ms: number | null;
    digest: string | null;
    runner: string;
    memory_bytes: string;
    ending: string | null;
  }[];
  readonly outcomes: readonly Outcome[];
  readonly recomputes: readonly Recompute[];
  readonly recomputeRecords: readonly RecomputeRecord[];
  readonly depositions: readonly {
    id: string;
    status: string;
    /** Its records. */
    published: number;
    is_misplaced: boolean;
  }[];
  readonly reviews: readonly { deposition: string; batch: string; decision: string }[];
  /** Answers that are kept for a review. */
  readonly held: number;
  readonly replays: readonly Replay[];
  readonly comparisons: readonly StoredComparison[];
  readonly certificates: readonly Certificate[];
  /** The kept counts. */
  readonly counts: readonly CurrentCount[];
  readonly records: readonly {
    batch_record: string;
    srn: string;
    record_id: string;
    source_id: string;
    version: number;
    content_digest: string;
    value: number;
  }[];
  readonly rows: readonly StoredRow[];
  /** Sessions that hold a transaction open, and advisory locks: there should be none. */
  readonly leftovers: readonly string[];
}

export interface Release {
  readonly hook: string;
  readonly version: number;
  readonly runtime: string;
  readonly digest: string;
  readonly command: readonly string[] | null;
  readonly config: { readonly variant?: string };
  readonly limits: Limits;
  readonly source_ref: string;
  /** A subject. */
  readonly built_by: string;
  /** Milliseconds since 1970. */
  readonly built_ms: number;
  readonly xact: string;
}

export interface StoredEvent {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly xact: string;
}

export interface LiveChange {
  readonly hook: string;
  readonly seq: number;
  readonly from_version: number | null;
  readonly to_version: number;
  readonly kind: string;
  /** A subject. */
  readonly actor: string;
  readonly xact: string;
}

export interface Batch {
  readonly id: string;
  /** The batch's ingestion; null for one of a recompute. */
  readonly ingestion: string | null;
  readonly recompute: string | null;
  /** The deposition that it submits. */
  readonly deposition: string | null;
  readonly status: string;
  readonly reason: string | null;
  readonly fence: string;
  /** Milliseconds since 1970. */
  readonly snapshot_ms: number | null;
  readonly finished_ms: number | null;
}

export interface BatchRecord {
  readonly id: string;
  readonly batch: string;
  readonly source_id: string;
  readonly value: unknown;
  readonly content_digest: string;
  readonly status: string;
  readonly reason: string | null;
  readonly record: string | null;
  readonly retried_in: string | null;
}

export interface Outcome {
  readonly id: string;
  readonly run: string;
  readonly batch: string;
  readonly hook: string;
  readonly batch_record: string;
  readonly attempt: number | null;
  readonly status: string;
  readonly reason: string | null;
  readonly row_count: number;
  readonly superseded_by: string | null;
}

export interface Recompute {
  readonly id: string;
  readonly hook: string;
  readonly releases: readonly number[];
  readonly healed_seq: number | null;
  readonly finished: boolean;
  /** The move that it heals; null of one that heals none. */
  readonly xact: string | null;
}

export interface RecomputeRecord {
  readonly batch: string;
  readonly source_id: string;
  readonly batch_record: string | null;
  readonly current_outcome: string | null;
  readonly status: string;
  readonly retried_in: string | null;
}

export interface Replay {
  readonly id: string;
  readonly hook: string | null;
  readonly finished: boolean;
}

export interface Certificate {
  readonly part: string;
  readonly run: string;
  readonly outcome: string | null;
  readonly verdict: string;
  readonly reason: string | null;
  readonly digest: string | null;
}

export interface StoredComparison {
  readonly id: string;
  readonly hook: string;
  readonly version: number;
  readonly seed: string;
  readonly sample: number | null;
  readonly status: string;
  readonly problem: string | null;
  readonly report: ComparisonReport | null;
}

export interface CurrentCount {
  readonly hook: string;
  readonly version: number;
  readonly records: number;
  readonly rows: number;
}

export interface StoredRow {
  readonly hook: string;
  readonly id: string;
  readonly outcome_id: string;
  readonly run_id: string;
  readonly ordinal: number;
  readonly oracle: string;
  readonly config: string;
  readonly argument: string;
  readonly source: string;
  readonly value: string;
}

export async function readState(database: Database): Promise<State> {
  return database.transaction(
    async (tx) => ({
      hooks: await tx<
        State['hooks'][number][]
      >`select name, release_count, live_seq, live_version from hooks`,
      releases: await tx<Release[]>`
        select hook, version, runtime, digest, command, config, limits, source_ref, a.subject as built_by,
               extract(epoch from built_at)::float8 * 1000 as built_ms, r.xmin::text as xact
        from releases r join actors a on a.id = r.built_by order by hook, version`,
      changes: await tx<LiveChange[]>`
        select hook, seq, from_version, to_version, kind, a.subject as actor, c.xmin::text as xact
        from live_changes c join actors a on a.id = c.actor order by hook, seq`,
      deploys: await tx<State['deploys'][number][]>`
        select id, xmin::text as xact, jsonb_path_query_array(manifest, '$.hooks[*].name') as hooks from deploys order by id`,
      ingestions: await tx<{ id: string }[]>`select id from ingestions where deposition is null`,
      depositions: await tx<State['depositions'][number][]>`
        select d.id, d.status,
               (select count(*)::integer from published p where p.source_id = 'deposition-' || d.id) as published,
               exists (
                 select from ingestions i join batches b on b.ingestion = i.id
                 where i.deposition = d.id
                   and (b.published = 1) = exists (select from private_batches p where p.batch = b.id)) as is_misplaced
        from depositions d`,
      reviews: await tx<State['reviews'][number][]>`select deposition, batch, decision from reviews`,
      held: (await tx`select from held_runs`).length,
      events: await tx<StoredEvent[]>`select type, payload, xmin::text as xact from events order by id`,
      batches: await tx<Batch[]>`
        select id, ingestion, recompute, (select deposition from ingestions i where i.id = b.ingestion) as deposition, status, reason, fence, extract(epoch from snapshot_at)::float8 * 1000 as snapshot_ms,
               extract(epoch from finished_at)::float8 * 1000 as finished_ms
        from batches b order by id`,
      batchRecords: await tx<BatchRecord[]>`
        select id, batch, source_id, metadata -> 'value' as value, encode(content_digest, 'hex') as content_digest, status, reason,
               (select srn from published where batch_record = case b.status when 'published' then b.id else b.record end) as record,
               retried_in
        from batch_records b order by id`,
      runs: await tx<State['runs'][number][]>`select id, batch, hook, version, status from runs`,
      attempts: await tx<State['attempts'][number][]>`
        select run, n, fence, finished_at is not null as finished, resolved_digest as digest, runner, memory_bytes,
               ending, extract(epoch from finished_at)::float8 * 1000 as finished_ms
        from attempts`,
      outcomes: await tx<Outcome[]>`
        select id, run, batch, hook, batch_record, attempt, status, reason, row_count, superseded_by
        from outcomes order by id`,
      recomputes: await tx<Recompute[]>`
        select r.id, r.hook, r.releases, r.healed_seq, r.finished_at is not null as finished,
               (select xmin::text from live_changes c where c.hook = r.hook and c.seq = r.healed_seq) as xact
        from recomputes r order by r.id`,
      recomputeRecords: await tx<RecomputeRecord[]>`
        select batch, source_id, batch_record, current_outcome, status, retried_in from recompute_records`,
      replays: await tx<Replay[]>`
        select r.id, r.hook, not exists (
          select from replay_parts where replay = r.id and finished_at is null) as finished
        from replays r order by r.id`,
      certificates: await tx<Certificate[]>`
        select part, run, outcome, verdict, reason, resolved_digest as digest from replay_certificates`,
      comparisons: await tx<StoredComparison[]>`
        select id, hook, version, seed, sample, status, problem, report from comparisons order by id`,
      counts: await tx<CurrentCount[]>`
        select hook, version, sum(records)::integer as records, sum(rows)::integer as rows
        from current_counts group by hook, version having sum(records) <> 0 or sum(rows) <> 0`,
      records: await tx<State['records'][number][]>`
        select batch_record, srn, record_id, source_id, version, encode(content_digest, 'hex') as content_digest,
               (metadata ->> 'value')::float8 as value
        from published order by source_id, version`,
      rows: await tx.unsafe<StoredRow[]>(await rowsOfAll(tx)),
      leftovers: (
        await tx<{ what: string }[]>`
          select concat('session ', pid, ' of ', application_name, ' is ', state, ' since ', xact_start) as what from pg_stat_activity
          where datname = current_database() and state like 'idle in transaction%'
          union all
          select concat('advisory lock of ', a.application_name, ', session ', a.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid
          where l.locktype = 'advisory' and a.datname = current_database() and a.pid <> pg_backend_pid()`
      ).map(({ what }) => what),
    }),
    { readOnly: true },
  );
}

async function rowsOfAll(tx: Database['sql']): Promise<string> {
  const made = await tx<{ name: string }[]>`select name from hooks order by name`;
  const names = hookNames.filter((hook) => made.some(({ name }) => name === hook));
  const parts = names.map(
    (hook) =>
      `select '${hook}' as hook, id, outcome_id, run_id, ordinal, oracle, config, argument, source, value::text
       from features.${hook}`,
  );
  return parts.length === 0 ? 'select where false' : parts.join(' union all ');
}
