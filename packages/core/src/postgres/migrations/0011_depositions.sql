-- One record that somebody deposits: a draft, which is submitted, run through every hook, reviewed where the convention
-- wants that, and published or given back.
--
--   depositions → conventions, actors       a draft and its state, which follows its batches
--   deposition_files → depositions, stored_files  the files of the draft
--   ingestions → depositions                a submission: an ingestion of one record, with the rules that held then
--   held_runs → runs                        what the hooks of a batch in review have answered
--   held_rows → held_runs                   the rows of these answers
--   reviews → batches, actors               append-only: one decision about each batch that was in review
--   private_batches                         the batches of depositions that are not accepted: shown to nobody else

alter table conventions
  add column curation text not null default 'auto' check (curation in ('auto', 'manual')),
  -- Whether a reviewer may approve what the reviewer has deposited.
  add column approve_own boolean not null default false,
  add check (curation = 'manual' or not approve_own);

create table depositions (
  id uuid primary key,
  convention text not null references conventions,
  owner bigint not null references actors,
  -- Canonical, as that of a record.
  metadata json not null default '{}',
  status text not null default 'draft' check (status in ('draft', 'in_validation', 'in_review', 'accepted')),
  -- Grows with each change, whoever made it. An edit names the revision that it is based on.
  revision integer not null default 1 check (revision >= 1),
  -- The newest ingestion that was made of it.
  submission uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (status = 'draft' or submission is not null)
);
create index on depositions (owner, id desc);
create index depositions_in_review on depositions (id desc) where status = 'in_review';

create table deposition_files (
  deposition uuid not null references depositions,
  name text collate "C" not null check (octet_length(name) between 1 and 255),
  sha256 text not null references stored_files,
  primary key (deposition, name)
);
-- Who refers to a file.
create index on deposition_files (sha256);

alter table ingestions
  add column deposition uuid references depositions,
  -- The rules of the convention when it was submitted.
  add column curation text check (curation in ('auto', 'manual')),
  add column approve_own boolean,
  add check (num_nonnulls(deposition, curation, approve_own) in (0, 3)),
  add unique (deposition, id);
alter table depositions add foreign key (id, submission) references ingestions (deposition, id) deferrable initially deferred;

alter table batches
  drop constraint batches_status_check,
  add constraint batches_status_check check (status in ('queued', 'running', 'parked', 'held', 'done', 'failed')),
  -- What is held has been computed by the releases of its snapshot.
  add check (status <> 'held' or (snapshot_at is not null and fence > 0));

create table private_batches (
  batch uuid primary key,
  ingestion uuid not null,
  deposition uuid not null
);
create index on private_batches (ingestion);
create index on private_batches (deposition);

create table held_runs (
  run uuid primary key references runs,
  batch uuid not null references batches,
  fence bigint not null,
  status text not null check (status in ('passed', 'failed')),
  output_digest text,
  row_count bigint not null check (row_count >= 0),
  -- What else the commit needs to know of the run.
  result json not null
);
create index on held_runs (batch);

create table held_rows (
  run uuid not null references held_runs,
  position integer not null check (position >= 0),
  chunk json not null,
  primary key (run, position)
);

create table reviews (
  batch uuid primary key references batches,
  deposition uuid not null references depositions,
  decision text not null check (decision in ('approved', 'rejected')),
  reason text,
  actor bigint not null references actors,
  at timestamptz not null default clock_timestamp(),
  check (decision = 'approved' or reason is not null)
);
create index on reviews (deposition);

-- Drafts -----------------------------------------------------------------------------------------------------------------

-- Only drafts are edited. The revision and the time of a change are the database's to say.
create function guard_deposition() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.id, new.convention, new.owner, new.created_at)
     is distinct from (old.id, old.convention, old.owner, old.created_at) then
    raise exception 'deposition % may not change its convention or owner', old.id
      using errcode = '42501', table = 'depositions';
  end if;
  if old.status = 'accepted' or (old.status <> 'draft' and new.metadata::text <> old.metadata::text) then
    raise exception 'deposition % is no draft', old.id using errcode = '42501', table = 'depositions';
  end if;
  new.revision := old.revision + 1;
  new.updated_at := clock_timestamp();
  return new;
end $$;
create trigger guard before update on depositions for each row execute function guard_deposition();
create trigger no_delete before delete or truncate on depositions for each statement execute function refuse_rewrite();

create function guard_deposition_file() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.depositions d
    where d.id = coalesce(new.deposition, old.deposition) and d.status = 'draft' for no key update;
  if not found then
    raise exception 'deposition % is no draft', coalesce(new.deposition, old.deposition)
      using errcode = '42501', table = 'deposition_files';
  end if;
  return coalesce(new, old);
end $$;
create trigger guard before insert or delete on deposition_files
  for each row execute function guard_deposition_file();
create trigger no_rewrite before update or truncate on deposition_files
  for each statement execute function refuse_rewrite();

-- The state of a deposition is what its newest batch says.
create function deposition_status(of_submission uuid) returns text language sql stable
  set search_path = pg_catalog, pg_temp as $$
  select coalesce((
    select case
      when b.status in ('queued', 'running', 'parked') then 'in_validation'
      when b.status = 'held' then 'in_review'
      when b.status = 'done' and b.published = 1 then 'accepted'
      else 'draft' end
    from public.batches b where b.ingestion = of_submission order by b.index desc limit 1), 'draft')
$$;

create function prove_deposition() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stray record;
begin
  select d.status, public.deposition_status(d.submission) as proved into stray
    from public.depositions d where d.id = new.id;
  if stray.status is distinct from stray.proved then
    raise exception 'deposition % is %, and its newest batch says %', new.id, stray.status, stray.proved
      using errcode = '23503', table = 'depositions';
  end if;
  return null;
end $$;
create constraint trigger proved after insert or update on depositions deferrable initially deferred
  for each row execute function prove_deposition();

-- Submissions --------------------------------------------------------------------------------------------------------------

-- A submission is made of a draft, by its owner, under the rules of the convention at that moment.
create function guard_submission() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.depositions d
    where d.id = new.deposition and d.status = 'draft' and d.convention = new.convention and d.owner = new.actor
    for no key update;
  if not found then
    raise exception 'ingestion %: deposition % is no draft of this actor and convention', new.id, new.deposition
      using errcode = '23503', table = 'ingestions';
  end if;
  select c.curation, c.approve_own into strict new.curation, new.approve_own
    from public.conventions c where c.slug = new.convention;
  return new;
end $$;
create trigger guard_submission before insert on ingestions for each row when (new.deposition is not null)
  execute function guard_submission();

create function note_submission() returns trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  update public.depositions set submission = new.id where id = new.deposition;
  return null;
end $$;
create trigger note_submission after insert on ingestions for each row when (new.deposition is not null)
  execute function note_submission();

-- State and batch change in one statement, so no transaction can change one without the other. Only the newest submission of
-- what is not published gets batches.
create function follow_batch() returns trigger language plpgsql security definer
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
    delete from public.private_batches p where p.deposition = submitted;
  end if;
  return null;
end $$;
create trigger follow_insert after insert on batches for each row when (new.ingestion is not null)
  execute function follow_batch();
create trigger follow_update after update on batches for each row
  when (new.ingestion is not null and old.status <> new.status) execute function follow_batch();

-- The record of a submission is that of the deposition: its metadata, its files, and a source that nobody else has.
create function prove_submitted() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  select i.batch into stray
  from (select batch, count(*) as records, min(source_id) as source_id, min(metadata::text) as metadata,
               bool_or(status <> 'pending') as ended,
               bool_or(source_id ~ '^deposition-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and status <> 'invalid') as reserved
        from inserted group by batch) i
  left join lateral (select ingestion from public.batches where id = i.batch offset 0) b on true
  left join lateral (select deposition from public.ingestions where id = b.ingestion offset 0) s on true
  left join lateral (select id, metadata from public.depositions where id = s.deposition offset 0) d on true
  where case when s.deposition is null then i.reserved
    else not coalesce(i.records = 1 and not i.ended and i.source_id = 'deposition-' || d.id
                      and i.metadata = d.metadata::text, false) end
  limit 1;
  if found then
    raise exception 'batch %: its records are not those of a deposition, or have the source of one', stray.batch
      using errcode = '23503', table = 'batch_records';
  end if;
  return null;
end $$;
create trigger prove_submitted after insert on batch_records referencing new table as inserted
  for each statement execute function prove_submitted();

-- Review -------------------------------------------------------------------------------------------------------------------

-- A batch is held by its holder once its hooks have answered, where the convention wants a review; then it ends.
create function guard_held() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.status = 'held' and (old.status <> 'running' or new.fence <> old.fence or not exists (
    select from public.ingestions i where i.id = new.ingestion and i.deposition is not null and i.curation = 'manual')) then
    raise exception 'batch %: it waits for no review', old.id using errcode = '23503', table = 'batches';
  end if;
  if old.status = 'held' and (new.status not in ('done', 'failed') or new.fence <> old.fence) then
    raise exception 'batch % is in review: it ends, or stays as it is', old.id using errcode = '42501', table = 'batches';
  end if;
  return new;
end $$;
create trigger guard_held before update on batches for each row
  when (old.status <> new.status and 'held' in (old.status, new.status)) execute function guard_held();
create trigger guard_held_fence before update on batches for each row
  when (old.status = 'held' and old.fence <> new.fence) execute function guard_held();

-- What is in review is complete: each run has its answer, from an attempt of the last claim that has ended.
create function prove_held() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  if exists (
    select from (select id, batch from public.runs where batch = new.id offset 0) r
    left join lateral (
      select fence, row_count from public.held_runs where run = r.id and batch = r.batch offset 0) h on true
    left join lateral (
      select coalesce(sum((chunk ->> 'rowCount')::bigint), 0) as rows from public.held_rows where run = r.id) c on true
    where h.fence is distinct from new.fence or h.row_count <> c.rows or exists (
      select from public.attempts a where a.run = r.id and a.finished_at is null)) then
    raise exception 'batch % goes into review without the answers of its hooks', new.id
      using errcode = '23503', table = 'batches';
  end if;
  return null;
end $$;
create constraint trigger prove_held after update on batches deferrable initially deferred
  for each row when (old.status <> 'held' and new.status = 'held') execute function prove_held();

-- Answers are kept by the transaction that puts the batch into review, and never changed.
create function guard_held_run() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  perform from (select status, fence, xmin as writer from public.batches where id = new.batch offset 0) b
    cross join lateral (select batch from public.runs where id = new.run offset 0) r
    where r.batch = new.batch and b.status = 'held' and b.fence = new.fence
      and b.writer = pg_current_xact_id()::xid;
  if not found then
    raise exception 'run %: its batch does not go into review', new.run using errcode = '23503', table = 'held_runs';
  end if;
  return new;
end $$;
create trigger guard before insert on held_runs for each row execute function guard_held_run();

create function guard_held_rows() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.held_runs h where h.run = new.run and h.xmin = pg_current_xact_id()::xid;
  if not found then
    raise exception 'run %: its rows are held already', new.run using errcode = '23503', table = 'held_rows';
  end if;
  return new;
end $$;
create trigger guard before insert on held_rows for each row execute function guard_held_rows();

create trigger no_rewrite before update or truncate on held_runs for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or truncate on held_rows for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on reviews
  for each statement execute function refuse_rewrite();

-- They go when the batch ends. Where it was approved, the commit is of exactly these answers.
create function drop_held() returns trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  answered record;
begin
  if new.published = 1 and exists (
    select from (select id, status, output_digest, row_count from public.runs where batch = new.id offset 0) r
    left join lateral (
      select status, output_digest, row_count from public.held_runs where run = r.id offset 0) h on true
    where (h.status, h.output_digest, h.row_count) is distinct from (r.status, r.output_digest, r.row_count)) then
    raise exception 'batch %: what is published is not what was reviewed', new.id
      using errcode = '23503', table = 'batches';
  end if;
  -- Run by run: a join of the two could read all rows that are held.
  for answered in select run from public.held_runs where batch = new.id loop
    delete from public.held_rows where run = answered.run;
    delete from public.held_runs where run = answered.run;
  end loop;
  return null;
end $$;
create constraint trigger drop_held after update on batches deferrable initially deferred
  for each row when (old.status = 'held' and new.status <> 'held') execute function drop_held();

-- A decision is about a batch that is in review, and by somebody else than its owner unless the convention allows that.
create function guard_review() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  perform from (select ingestion, status from public.batches where id = new.batch offset 0) b
    cross join lateral (select deposition, approve_own from public.ingestions where id = b.ingestion offset 0) i
    cross join lateral (select owner from public.depositions where id = i.deposition offset 0) d
    where b.status = 'held' and i.deposition = new.deposition
      and (new.decision = 'rejected' or i.approve_own or d.owner <> new.actor);
  if not found then
    raise exception 'batch % is not in review, or its owner may not approve it', new.batch
      using errcode = '23503', table = 'reviews';
  end if;
  return new;
end $$;
create trigger guard before insert on reviews for each row execute function guard_review();

-- A decision and what it decides are one transaction; nothing that needs one is published without.
create function prove_review() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (
    select from public.batches b
    where b.id = new.batch and b.status = 'done' and (b.published = 1) = (new.decision = 'approved')) then
    raise exception 'batch % does not end as it was decided', new.batch using errcode = '23503', table = 'reviews';
  end if;
  return null;
end $$;
create constraint trigger decided after insert on reviews deferrable initially deferred
  for each row execute function prove_review();

create function prove_reviewed() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  if exists (
    select from public.ingestions i
    where i.id = new.ingestion and i.curation = 'manual'
      and not exists (select from public.reviews r where r.batch = new.id and r.decision = 'approved')) then
    raise exception 'batch %: nobody has approved what it publishes', new.id using errcode = '23503', table = 'batches';
  end if;
  return null;
end $$;
create constraint trigger reviewed after update on batches deferrable initially deferred
  for each row when (old.finished_at is null and new.finished_at is not null and new.ingestion is not null
                     and new.published > 0) execute function prove_reviewed();
