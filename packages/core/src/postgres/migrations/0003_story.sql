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

-- Events in one order for all readers. Ids are taken before transactions commit, so the event with the higher id may be
-- seen first, and a reader that remembers the highest id would miss the other one. An event gets its place here only
-- once it is committed, by one transaction at a time; so places appear in order, and a reader that has seen a place has
-- seen all before it.
create table event_arrivals (
  event bigint primary key
);
create table event_order (
  seq bigint primary key check (seq >= 1),
  event bigint not null unique references events
);
create trigger no_rewrite before update or delete or truncate on event_order
  for each statement execute function refuse_rewrite();

insert into event_order (seq, event) select row_number() over (order by id), id from events;

create function note_events() returns trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.event_arrivals (event) select id from inserted;
  return null;
end $$;
create trigger note after insert on events referencing new table as inserted
  for each statement execute function note_events();

-- Gives a place to the events that have arrived, `most` at most, and tells the last place. Where another transaction is
-- doing so, it does nothing: what it would see is given a place by the other one, or at the next call.
create function order_events(most integer) returns bigint language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  if exists (select from public.event_arrivals limit 1)
     and pg_try_advisory_xact_lock(hashtext('osa.events'), 0) then
    with first as (
      select a.event from public.event_arrivals a order by a.event limit most
    ), taken as (
      delete from public.event_arrivals a using first f where a.event = f.event returning a.event
    )
    insert into public.event_order (seq, event)
    select (select coalesce(max(o.seq), 0) from public.event_order o) + row_number() over (order by t.event), t.event
    from taken t order by t.event;
  end if;
  return (select coalesce(max(o.seq), 0) from public.event_order o);
end $$;

-- How far the events are delivered to another service. One daemon at a time delivers, by a lease.
create table deliveries (
  consumer text primary key,
  -- The place of the last event that is delivered, or given up.
  seq bigint not null,
  -- Tries of the next one that failed.
  attempts integer not null default 0 check (attempts >= 0),
  error text,
  holder text,
  lease_until timestamptz
);
-- What the other service refused, or did not take in time; the oldest go when there are too many.
create table dead_letters (
  id bigint generated always as identity primary key,
  consumer text not null,
  seq bigint not null,
  document jsonb not null,
  error text not null,
  at timestamptz not null default now()
);
