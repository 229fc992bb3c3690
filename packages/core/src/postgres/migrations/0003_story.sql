-- What a run made that can be read, so that nobody has to count rows to say what a release has touched.

alter table runs
  add column published_records integer,
  add column published_rows bigint,
  add check (published_records >= 0 and published_rows >= 0);

alter table runs disable trigger once;
update runs run set
  published_records = counted.records,
  published_rows = counted.rows
from (
  select o.run, count(*) as records, coalesce(sum(o.row_count), 0) as rows
  from outcomes o join batch_records b on b.id = o.batch_record
  where b.status = 'published'
  group by o.run) counted
where counted.run = run.id;
alter table runs enable trigger once;
