-- Who may use a stored file, drafts that are deleted, and depositions that an operator has ended.
--
--   depositions.deleted_by → actors         the owner of a draft that is gone; that it was there stays
--   deposition_ends → ingestions, actors    append-only: an operator ended a submission, with a reason

-- Files --------------------------------------------------------------------------------------------------------------------

-- Until now an upload could name every stored file. The actor of an upload that has named one counts as its sender.
insert into file_senders (actor, sha256)
select i.actor, f.sha256
from record_files f
join batch_records r on r.id = f.batch_record
join batches b on b.id = r.batch
join ingestions i on i.id = b.ingestion
union
select d.owner, f.sha256 from deposition_files f join depositions d on d.id = f.deposition
on conflict do nothing;

-- A digest alone opens nothing: somebody has sent all bytes of the file, or may read them in a published record.
create function may_use_file(of_actor bigint, named text) returns boolean language sql stable
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
  select exists (select from public.file_senders where actor = of_actor and sha256 = named)
    or exists (
      select from (select batch_record from public.record_files where sha256 = named offset 0) f
      cross join lateral (select from public.records where batch_record = f.batch_record limit 1) r)
$$;

create or replace function guard_deposition_file() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare
  depositor bigint;
begin
  select d.owner into depositor from public.depositions d
    where d.id = coalesce(new.deposition, old.deposition) and d.status = 'draft' for no key update;
  if not found then
    raise exception 'deposition % is not a draft', coalesce(new.deposition, old.deposition)
      using errcode = '42501', table = 'deposition_files';
  end if;
  if tg_op = 'INSERT' and not public.may_use_file(depositor, new.sha256) then
    raise exception 'deposition %: its owner has not sent sha256:%, and no published record has it', new.deposition, new.sha256
      using errcode = '23503', table = 'deposition_files';
  end if;
  return coalesce(new, old);
end $$;

-- A record gets its files in the transaction that brings it in, and none later: its content digest covers them. They are
-- files that the actor who brings it in may use.
create or replace function prove_record_files() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  if exists (
    select from added a
    cross join lateral (select batch from public.batch_records where id = a.batch_record offset 0) r
    cross join lateral (select created_at from public.batches where id = r.batch offset 0) b
    where b.created_at <> now()) then
    raise exception 'a record gets its files when it comes in, and none later'
      using errcode = '42501', table = 'record_files';
  end if;
  select n.sha256 into stray from (
    select distinct i.actor, a.sha256 from added a
    cross join lateral (select batch from public.batch_records where id = a.batch_record offset 0) r
    cross join lateral (select ingestion from public.batches where id = r.batch offset 0) b
    left join lateral (select actor from public.ingestions where id = b.ingestion offset 0) i on true) n
  where not public.may_use_file(n.actor, n.sha256)
  limit 1;
  if found then
    raise exception 'the actor who brings the record in has not sent sha256:%, and no published record has it', stray.sha256
      using errcode = '23503', table = 'record_files';
  end if;
  return null;
end $$;

-- Deleted drafts -----------------------------------------------------------------------------------------------------------

-- The row stays: that there was a deposition, whose it was, and when it went. What it said goes.
alter table depositions
  add column deleted_by bigint references actors,
  add column deleted_at timestamptz,
  drop constraint depositions_status_check,
  add constraint depositions_status_check
    check (status in ('draft', 'in_validation', 'in_review', 'accepted', 'deleted')),
  drop constraint depositions_check,
  add constraint depositions_check check (status in ('draft', 'deleted') or submission is not null),
  add check (deleted_by = owner),
  add check (num_nonnulls(deleted_by, deleted_at) = case status when 'deleted' then 2 else 0 end);
create index depositions_drafts on depositions (owner) where status = 'draft';
create index depositions_deleted on depositions (owner, deleted_at) where status = 'deleted';

-- Only drafts are edited and deleted. The revision, and the times of changes, are the database's to say.
create or replace function guard_deposition() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp as $$
begin
  if (new.id, new.convention, new.owner, new.created_at)
     is distinct from (old.id, old.convention, old.owner, old.created_at) then
    raise exception 'deposition % may not change its convention or owner', old.id
      using errcode = '42501', table = 'depositions';
  end if;
  if old.status in ('accepted', 'deleted')
     or (old.status <> 'draft' and (new.metadata::text <> old.metadata::text or new.deleted_by is not null)) then
    raise exception 'deposition % is not a draft', old.id using errcode = '42501', table = 'depositions';
  end if;
  if new.deleted_by is not null then
    new.status := 'deleted';
    new.deleted_at := clock_timestamp();
    new.metadata := '{}';
  end if;
  new.revision := old.revision + 1;
  new.updated_at := clock_timestamp();
  return new;
end $$;

create or replace function prove_deposition() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stray record;
begin
  select case d.status when 'deleted' then 'draft' else d.status end as status,
         public.deposition_status(d.submission) as proved,
         d.status = 'deleted' and exists (select from public.deposition_files f where f.deposition = d.id) as has_files
    into stray from public.depositions d where d.id = new.id;
  if stray.status is distinct from stray.proved then
    raise exception 'deposition % is %, and its newest batch says %', new.id, stray.status, stray.proved
      using errcode = '23503', table = 'depositions';
  end if;
  if stray.has_files then
    raise exception 'deposition % is deleted, and has files', new.id using errcode = '23503', table = 'depositions';
  end if;
  return null;
end $$;

-- Nothing that is deleted is run again.
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
      where d.id = submitted and d.submission = new.ingestion and d.status not in ('accepted', 'deleted');
    if not found then
      raise exception 'batch %: deposition % is published, deleted, or was submitted again', new.id, submitted
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

-- Ended by an operator -----------------------------------------------------------------------------------------------------

create table deposition_ends (
  ingestion uuid primary key,
  deposition uuid not null,
  reason text not null check (length(reason) between 1 and 2000),
  actor bigint not null references actors,
  at timestamptz not null default clock_timestamp(),
  foreign key (deposition, ingestion) references ingestions (deposition, id)
);
create trigger no_rewrite before update or delete or truncate on deposition_ends
  for each statement execute function refuse_rewrite();

-- It ends what is submitted and not decided, of somebody else: an owner withdraws.
create function guard_deposition_end() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.depositions d
    where d.id = new.deposition and d.submission = new.ingestion and d.owner <> new.actor
      and d.status in ('in_validation', 'in_review') for no key update;
  if not found then
    raise exception 'ingestion % is not the open submission of a deposition of somebody else', new.ingestion
      using errcode = '23503', table = 'deposition_ends';
  end if;
  return new;
end $$;
create trigger guard before insert on deposition_ends for each row execute function guard_deposition_end();

-- The notice and the end are one transaction.
create function prove_deposition_end() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if public.deposition_status(new.ingestion) <> 'draft'
     or not exists (select from public.ingestions i where i.id = new.ingestion and i.cancelled) then
    raise exception 'ingestion % is not ended', new.ingestion using errcode = '23503', table = 'deposition_ends';
  end if;
  return null;
end $$;
create constraint trigger ended after insert on deposition_ends deferrable initially deferred
  for each row execute function prove_deposition_end();
