import type { AttackedDatabase } from './sql-attack.ts';

/** The commit of a batch, in SQL and step by step, so that a test can leave a step out or forge it. */

/** An honest commit of the held batch: `one` and `passed` pass both hooks, `two` is rejected by the second. */
export const steps = {
  batch: `update batches set status = 'done', lease_until = null, finished_at = now(), published = 2, rejected = 1, rows = 5
    where id = $held`,
  runs: `update runs set status = 'passed', finished_at = now(), row_count = case hook when 'energy' then 3 else 2 end
    where batch = $held`,
  energy: outcomes(
    'energy',
    "(one, 'passed', null, 1, 1), (two, 'passed', null, 1, 1), (passed, 'passed', null, 1, 1)",
  ),
  radius: outcomes(
    'radius',
    "(one, 'passed', null, 2, 1), (two, 'rejected', 'no', 0, 1), (passed, 'passed', null, 0, 1)",
  ),
  energyRows: rows('energy', 'one', '(0)'),
  moreEnergyRows: rows('energy', 'passed', '(0)'),
  radiusRows: rows('radius', 'one', '(0), (1)'),
  publish: publish("'one', 'passed'"),
  others:
    "update batch_records set status = 'rejected', reason = 'radius: no' where batch = $held and source_id = 'two'",
};

/** Each value: record, status, reason, row count, attempt; `one` stands for the id of the held record of that name. */
export function outcomes(hook: string, values: string): string {
  return `insert into outcomes (run, batch, hook, batch_record, status, reason, row_count, attempt)
    select r.id, r.batch, r.hook, b.id, v.status, v.reason, v.row_count, v.attempt
    from (values ${values.replace(/\((\w+),/g, "('$1',")}) as v (source_id, status, reason, row_count, attempt)
    join runs r on r.batch = $held and r.hook = '${hook}'
    join batch_records b on b.batch = $held and b.source_id = v.source_id`;
}

export function rows(hook: string, source: string, ordinals: string): string {
  return `insert into features.${hook} (outcome_id, run_id, ordinal, value)
    select o.id, o.run, v.ordinal, 1.5 from outcomes o
    join batch_records b on b.id = o.batch_record and b.source_id = '${source}'
    cross join (values ${ordinals}) as v (ordinal) where o.batch = $held and o.hook = '${hook}'`;
}

/** `columns` replace what the record gets by expressions over batch record `b`, source `s` and next version `v`. */
export function publish(sources: string, columns: Readonly<Record<string, string>> = {}): string {
  const values = {
    batch_record: 'b.id',
    record_id: 's.record_id',
    version: 'v.version',
    record_set: "(select id from record_sets where convention = 'quakes')",
    ...columns,
  };
  return `with published as (
      insert into records (${Object.keys(values).join(', ')})
      select ${Object.values(values).join(', ')}
      from batch_records b join sources s on s.convention = 'quakes' and s.source_id = b.source_id
      cross join lateral (select coalesce(max(r.version), 0) + 1 as version from records r
                          where r.record_id = s.record_id) v
      where b.batch = $held and b.source_id in (${sources}) returning batch_record)
    update batch_records b set status = 'published'
    where b.batch = $held and b.source_id in (${sources})`;
}

export type Step = keyof typeof steps;

/** The commit with some steps replaced; an empty text leaves one out. */
export function commit(a: AttackedDatabase, changed: Partial<Record<Step, string>> = {}): string {
  return named(
    a,
    Object.values({ ...steps, ...changed })
      .filter(Boolean)
      .join(';'),
  );
}

export function named(a: AttackedDatabase, statement: string): string {
  return statement
    .replaceAll('$done', `'${a.done.batch}'`)
    .replaceAll('$held', `'${a.held.batch}'`)
    .replaceAll('$queued', `'${a.queued}'`);
}

/** Attempt `n` of the first hook, under the fence of the batch or one `besides` it. */
export function startAttempt(batch: string, n: number, besides = ''): string {
  return `insert into attempts (run, n, fence, memory_bytes, runner)
    select r.id, ${n}, b.fence ${besides}, 1, 'x'
    from runs r join batches b on b.id = r.batch where b.id = ${batch} and r.hook = 'energy'`;
}
