-- Two foreign keys of recomputes were looked up row by row, though the triggers of the same statements look at what they
-- name: `prove_supersession` reads the outcome that supersedes, and this function reads the batch. Nothing is ever deleted from
-- either table.
create or replace function prove_recompute_records() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray uuid;
begin
  select i.batch into stray
  from (select batch from inserted group by batch) i
  left join lateral (select * from public.batches where id = i.batch offset 0) b on true
  where b.id is null or b.recompute is null or b.fence > 0 or b.status <> 'queued'
    or b.records <> (select count(*) from public.recompute_records r where r.batch = i.batch)
  limit 1;
  if found then
    raise exception 'batch % does not take these records', stray using errcode = '23503', table = 'recompute_records';
  end if;
  return null;
end $$;
alter table recompute_records drop constraint recompute_records_batch_fkey;
alter table outcomes drop constraint outcomes_superseded_by_fkey;

-- Without the key, an outcome that comes in superseded would be looked at by nothing.
create function refuse_superseded() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'outcome %: it comes in superseded by %, and nothing can be yet', new.id, new.superseded_by
    using errcode = '42501', table = 'outcomes';
end $$;
create trigger standing before insert on outcomes for each row when (new.superseded_by is not null)
  execute function refuse_superseded();
