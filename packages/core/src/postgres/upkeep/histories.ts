import type { Transaction } from '../connection/connect.ts';
import type { Check } from './faults.ts';
import { trailChecks } from './trail.ts';

/**
 * Checks, over everything that is stored, what triggers and keys keep true while the archive runs: they do not bind a
 * restore or a superuser.
 */
export async function historyChecks(tx: Transaction): Promise<readonly Check[]> {
  return [...kept, ...trailChecks, ...(await referenceChecks(tx)), ...(await rowChecks(tx))];
}

const kept: readonly Check[] = [
  {
    of: 'releases',
    sql: `
      select h.name, format('%s releases are counted, and %s are there, the last as v%s',
                            h.release_count, count(r.version), coalesce(max(r.version), 0)) as problem
      from hooks h left join releases r on r.hook = h.name
      group by h.name, h.release_count
      having (count(r.version), coalesce(max(r.version), 0)) is distinct from (h.release_count, h.release_count)`,
  },
  {
    of: 'live_changes',
    sql: `
      select format('%s #%s', hook, seq) as name, format('it moves the pointer from v%s, and the change before it is #%s, to v%s',
        coalesce(from_version::text, '-'), coalesce(before::text, '-'), coalesce(left_at::text, '-')) as problem
      from (select *, lag(seq) over history as before, lag(to_version) over history as left_at from live_changes
            window history as (partition by hook order by seq)) c
      where seq <> coalesce(before, 0) + 1 or from_version is distinct from left_at`,
  },
  {
    of: 'hooks',
    sql: `
      select h.name, format('v%s is live by change #%s, and its last change is #%s, to v%s', coalesce(h.live_version::text, '-'),
        coalesce(h.live_seq::text, '-'), coalesce(c.seq::text, '-'), coalesce(c.to_version::text, '-')) as problem
      from hooks h
      left join (select distinct on (hook) hook, seq, to_version from live_changes order by hook, seq desc) c on c.hook = h.name
      where (h.live_seq, h.live_version) is distinct from (c.seq, c.to_version)`,
  },
  {
    of: 'records',
    sql: `
      select format('%s@%s', record_id, version) as name, format('the version before it is %s', coalesce(before::text, '-')) as problem
      from (select record_id, version, lag(version) over (partition by record_id order by version) as before from records) r
      where version <> coalesce(before, 0) + 1`,
  },
  {
    of: 'records',
    sql: `
      select coalesce(format('%s@%s', r.record_id, r.version), format('batch record %s', b.id)) as name,
        case when r.batch_record is null then 'it was published, and is not there'
             else 'what it was made of is ' || coalesce(b.status, 'not there') end as problem
      from records r full join batch_records b on b.id = r.batch_record
      where (r.batch_record is not null) <> (coalesce(b.status, '') = 'published')`,
  },
  {
    of: 'records',
    sql: `
      select format('%s@%s', r.record_id, r.version) as name, 'its source has another id' as problem
      from records r
      join record_sets s on s.id = r.record_set
      join batch_records b on b.id = r.batch_record
      left join sources n on n.convention = s.convention and n.source_id = b.source_id
      where n.record_id is distinct from r.record_id`,
  },
  {
    of: 'batches',
    sql: `
      select a.id as name, 'it counts other records than it has' as problem
      from batches a
      left join (select batch, count(*) as records,
          count(*) filter (where status = 'invalid') as invalid, count(*) filter (where status = 'unchanged') as unchanged,
          count(*) filter (where status = 'published') as published,
          count(*) filter (where status in ('rejected', 'errored')) as failed
        from batch_records group by batch) b on b.batch = a.id
      where a.ingestion is not null and a.finished_at is not null
        and (a.records, a.invalid, a.unchanged, a.published, a.rejected + a.errored + a.retried)
          is distinct from (b.records, b.invalid, b.unchanged, b.published, b.failed)`,
  },
  {
    of: 'runs',
    sql: `
      select r.id as name, format('it counts %s rows, and its outcomes %s', coalesce(r.row_count, 0), coalesce(o.rows, 0)) as problem
      from runs r left join (select run, sum(row_count) as rows from outcomes group by run) o on o.run = r.id
      where r.finished_at is not null and coalesce(r.row_count, 0) <> coalesce(o.rows, 0)`,
  },
  {
    of: 'runs',
    sql: `
      select r.id as name, 'it is open, and its batch has ended' as problem
      from runs r join batches b on b.id = r.batch where b.finished_at is not null and r.finished_at is null`,
  },
  {
    // A run that has not passed gives at least one record no answer. A batch that ends before its answers has no outcomes.
    of: 'runs',
    sql: `
      select r.id as name, format('it is %s, and its outcomes are not those of such a run', r.status) as problem
      from runs r join batches b on b.id = r.batch
      where r.status <> 'passed' and case
        when exists (select from outcomes o where o.run = r.id)
          then r.reason is null or not exists (select from outcomes o where o.run = r.id and o.status = 'errored')
        else r.status = 'failed' or b.status <> 'failed' end`,
  },
  {
    of: 'runs',
    sql: `
      select r.id as name, 'it is passed, and no attempt of it came to an answer' as problem
      from runs r
      where r.status = 'passed' and exists (select from outcomes o where o.run = r.id)
        and not exists (
          select from attempts a
          where a.run = r.id and (a.ending = 'out_of_memory' or a.ending = 'exited' and a.exit_code = 0))`,
  },
  {
    // A record of its own ingestion is published when all hooks pass it; a reviewer may reject one all the same.
    of: 'outcomes',
    sql: `
      select format('of record %s in batch %s', b.source_id, b.batch) as name,
        format('the record is %s, and %s of its %s outcomes have passed', b.status, o.passed, o.answers) as problem
      from (select batch, batch_record, count(*) as answers, count(*) filter (where status = 'passed') as passed
            from outcomes group by batch, batch_record) o
      join batch_records b on (b.id, b.batch) = (o.batch_record, o.batch)
      left join reviews v on v.batch = b.batch
      where case when b.status = 'published' then o.passed < o.answers else o.passed = o.answers and v.batch is null end`,
  },
  {
    of: 'outcomes',
    sql: `
      select o.id as name, format('it is of run %s, and names another batch or hook', o.run) as problem
      from outcomes o left join runs r on r.id = o.run where (r.batch, r.hook) is distinct from (o.batch, o.hook)`,
  },
  {
    of: 'outcomes',
    sql: `
      select o.id as name, format('attempt %s of run %s did not run the digest of %s v%s', o.attempt, o.run, r.hook, r.version) as problem
      from outcomes o
      join runs r on r.id = o.run
      join releases l on l.hook = r.hook and l.version = r.version
      left join attempts a on a.run = o.run and a.n = o.attempt
      where o.status <> 'errored' and a.resolved_digest is distinct from l.digest`,
  },
  {
    of: 'outcomes',
    sql: `
      select o.id as name, format('it gives way to outcome %s, which is of another hook, or came before it', o.superseded_by) as problem
      from outcomes o left join outcomes n on n.id = o.superseded_by
      where o.superseded_by is not null and (n.hook is distinct from o.hook or n.id <= o.id)`,
  },
  {
    // No foreign key says so; a trigger looks at the batch when its records come in.
    of: 'recompute_records',
    sql: `
      select r.batch as name, format('it is the batch of %s records, and is not there', count(*)) as problem
      from recompute_records r left join batches b on b.id = r.batch where b.id is null group by r.batch`,
  },
  {
    of: 'triggers',
    sql: `
      select c.oid::regclass::text as name, format('its trigger %s is off; run: alter table %s enable trigger all', t.tgname, c.oid::regclass)
        as problem
      from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'features') and t.tgenabled in ('D', 'R')`,
  },
];

/** Checks each foreign key row by row; a restore may leave keys out, or not check them. */
async function referenceChecks(tx: Transaction): Promise<readonly Check[]> {
  const keys = await tx<{ of: string; target: string; own: string[]; other: string[] }[]>`
    select k.conrelid::regclass::text as of, k.confrelid::regclass::text as target,
      array(select format('%I', a.attname) from unnest(k.conkey) with ordinality as c (n, place)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.n order by c.place) as own,
      array(select format('%I', a.attname) from unnest(k.confkey) with ordinality as c (n, place)
            join pg_attribute a on a.attrelid = k.confrelid and a.attnum = c.n order by c.place) as other
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
    where k.contype = 'f' and n.nspname in ('public', 'features')
    order by 1, k.conname`;
  return keys.map(({ of, target, own, other }) => ({
    of,
    sql: `
      select concat_ws(' ', ${own.map((column) => `f.${column}::text`).join(', ')}) as name,
        'it names ${own.join(', ')} that ${target} does not have' as problem
      from ${of} f
      left join ${target} t on (${other.map((column) => `t.${column}`).join(', ')}) = (${own.map((column) => `f.${column}`).join(', ')})
      where num_nulls(${own.map((column) => `f.${column}`).join(', ')}) = 0 and t.${other[0]} is null`,
  }));
}

/** The rows of each hook are those that its outcomes count. */
async function rowChecks(tx: Transaction): Promise<readonly Check[]> {
  const hooks = await tx<{ name: string; literal: string; table: string; exists: boolean }[]>`
    select name, quote_literal(name) as literal, format('features.%I', name) as table,
      to_regclass(format('features.%I', name)) is not null as exists
    from hooks order by name`;
  return hooks.map(({ literal, table, exists }) => ({
    of: table,
    sql: exists
      ? `
      select format('outcome %s', coalesce(o.id, f.outcome_id)) as name,
        format('%s rows are counted, and %s are there', coalesce(o.row_count, 0), coalesce(f.rows, 0)) as problem
      from (select id, run, row_count from outcomes where hook = ${literal} and row_count > 0) o
      full join (select outcome_id, run_id, count(*) as rows, max(ordinal) as last from ${table} group by outcome_id, run_id) f
        on f.outcome_id = o.id and f.run_id = o.run
      where (o.row_count, o.row_count - 1) is distinct from (f.rows, f.last::bigint)`
      : `select ${literal} as name, 'its table is not there' as problem`,
  }));
}
