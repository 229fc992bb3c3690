-- Earlier submissions of a deposition stay private when a later one is accepted: their reasons are for the depositor.

create or replace function follow_batch() returns trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare
  submitted uuid := (select i.deposition from public.ingestions i where i.id = new.ingestion);
begin
  if submitted is null then
    return null;
  end if;
  if tg_op = 'INSERT' then
    perform from public.depositions d
      where d.id = submitted and d.submission = new.ingestion and d.status <> 'accepted';
    if not found then
      raise exception 'batch %: deposition % is published, or was submitted again', new.id, submitted
        using errcode = '23503', table = 'batches';
    end if;
    insert into public.private_batches (batch, ingestion, deposition) values (new.id, new.ingestion, submitted);
  end if;
  update public.depositions d set status = public.deposition_status(d.submission)
    where d.id = submitted and d.submission = new.ingestion
      and d.status <> public.deposition_status(d.submission);
  if new.status = 'done' and new.published = 1 then
    delete from public.private_batches p where p.batch = new.id;
  end if;
  return null;
end $$;

-- Those that were opened with the acceptance of a later submission.
insert into private_batches (batch, ingestion, deposition)
select b.id, b.ingestion, i.deposition
from ingestions i join batches b on b.ingestion = i.id
where i.deposition is not null and b.published = 0
on conflict (batch) do nothing;
