import { recompute } from '@osa/core/recompute/recompute';
import type { Recompute } from '@osa/core/recompute/recomputes';
import type { CoreArchive } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

export const writer = { principal: admin };

/** `source value vN`, of each current row; the rows that are kept as history are marked. */
export async function rowsOf(bench: CoreArchive, hook = 'probe'): Promise<string[]> {
  const rows = await bench.database.sql<
    { source: string; value: number; version: number; current: boolean }[]
  >`
    select b.source_id as source, f.value, r.version, o.superseded_by is null and not exists (
        select from records n join records m on m.record_id = n.record_id
        where n.batch_record = o.batch_record and m.version > n.version) as current
    from ${bench.database.sql(`features.${hook}`)} f
    join outcomes o on o.id = f.outcome_id join runs r on r.id = f.run_id
    join batch_records b on b.id = o.batch_record order by f.id`;
  return rows
    .map((row) => `${row.source} ${row.value} v${row.version}${row.current ? '' : ' (history)'}`)
    .sort();
}

/** The kept counts of current rows, and the same counted row by row. */
export async function countsOf(bench: CoreArchive, hook = 'probe') {
  const kept = await bench.database.sql`
    select version, sum(records)::integer as records, sum(rejected)::integer as rejected, sum(rows)::integer as rows
    from current_counts where hook = ${hook} group by version having sum(records) > 0 order by version`;
  const real = await bench.database.sql`
    select run.version, count(*)::integer as records,
           count(*) filter (where o.status = 'rejected')::integer as rejected, sum(o.row_count)::integer as rows
    from records r
    join outcomes o on o.batch_record = r.batch_record and o.hook = ${hook} and o.superseded_by is null
      and o.status <> 'errored'
    join runs run on run.id = o.run
    where not exists (select from records n where n.record_id = r.record_id and n.version > r.version)
    group by run.version order by run.version`;
  return { kept: [...kept], real: [...real] };
}

/** A recompute of `probe` that is run to its end. */
export async function recomputed(
  bench: CoreArchive,
  request: Parameters<typeof recompute>[3] = {},
): Promise<Recompute> {
  const { id } = await recompute(bench.store, writer, 'probe', request);
  await bench.drain();
  return shown(bench, id);
}

export async function shown({ store }: CoreArchive, id: string): Promise<Recompute> {
  const found = await store.recomputes.show(id);
  if (!found) throw new Error(`there is no recompute ${id}`);
  return found;
}
