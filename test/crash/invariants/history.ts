import type { Database } from '@osa/core/postgres/connection/connect';
import { hookNames } from '../hooks.ts';

/** Entries that must only grow, each by name, with the digest of its content. */
export type History = ReadonlyMap<string, string>;

/** An entry of what may end once counts from its end on, and without what may still be superseded. */
const queries: Readonly<Record<string, string>> = {
  actors: 'select id::text as key, t::text as content from actors t',
  schema_owners: 'select id as key, t::text as content from schema_owners t',
  schemas: `select id || '@' || version as key, t::text as content from schemas t`,
  deploys: 'select id::text as key, t::text as content from deploys t',
  releases: `select hook || ' ' || version as key, t::text as content from releases t`,
  'sources of releases': `select concat_ws(' ', hook, version, source_ref) as key, t::text as content from release_sources t`,
  live_changes: `select hook || ' ' || seq as key, t::text as content from live_changes t`,
  files: 'select sha256 as key, t::text as content from files t',
  record_sets: 'select id::text as key, t::text as content from record_sets t',
  records: 'select batch_record::text as key, t::text as content from records t',
  events: 'select id::text as key, t::text as content from events t',
  'releases of runs': `select id::text as key, concat_ws(' ', batch, hook, version) as content from runs`,
  'ended runs': 'select id::text as key, t::text as content from runs t where finished_at is not null',
  'ended attempts': `select run || ' ' || n as key, t::text as content from attempts t where finished_at is not null`,
  outcomes: `select id::text as key, concat_ws(' ', run, batch, hook, batch_record, attempt, status, reason, row_count) as content
             from outcomes`,
  'superseded outcomes': `select id::text as key, superseded_by::text as content from outcomes
                          where superseded_by is not null`,
  recomputes: `select id::text as key, concat_ws(' ', hook, releases, healed_seq, reason, created_at) as content from recomputes`,
  'ended records of recomputes': `select batch || ' ' || source_id as key,
                                         concat_ws(' ', batch_record, current_outcome, status, reason) as content
                                  from recompute_records where status <> 'pending'`,
  replays: 'select id::text as key, t::text as content from replays t',
  'results of replays': `select part || ' ' || outcome as key, '' as content from replay_outcomes`,
  'ended comparisons':
    'select id::text as key, t::text as content from comparisons t where finished_at is not null',
  certificates: 'select id::text as key, t::text as content from replay_certificates t',
  snapshots:
    'select id::text as key, snapshot_at::text as content from batches where snapshot_at is not null',
};

export async function readHistory({ sql }: Database): Promise<History> {
  const made = await sql<{ name: string }[]>`select name from hooks`;
  const tables = hookNames
    .filter((hook) => made.some(({ name }) => name === hook))
    .map(
      (hook) =>
        [`features.${hook}`, `select id::text as key, t::text as content from features.${hook} t`] as const,
    );
  const parts = [...Object.entries(queries), ...tables].map(
    ([name, query]) => `select '${name} ' || key as key, md5(content) as digest from (${query}) "${name}"`,
  );
  const rows = await sql.unsafe<{ key: string; digest: string }[]>(parts.join(' union all '));
  return new Map(rows.map(({ key, digest }) => [key, digest]));
}

/** Entries of an earlier reading that a later one lacks, or has otherwise. */
export function rewritten(earlier: History, later: History): string[] {
  return [...earlier].flatMap(([key, digest]) => {
    const found = later.get(key);
    if (found === undefined) return [`${key} is gone`];
    return found === digest ? [] : [`${key} has changed`];
  });
}
