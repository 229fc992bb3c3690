-- Published records are computed again: a hook's live release runs over them, and its outcomes supersede those of other
-- releases. What is selected is cut into batches as workers take them, so that no selection is too large.

create table recomputes (
  id uuid primary key,
  hook text not null references hooks,
  -- The releases whose current rows are computed again.
  releases integer[] not null,
  -- Of one convention only, where there is one.
  convention text references conventions,
  -- Whether the records were named one by one.
  is_list boolean not null default false,
  -- Whether records of the hook's conventions that it has never seen are among them.
  with_missing boolean not null default false,
  -- The move of the pointer that it heals.
  healed_seq integer,
  reason text,
  batch_size integer not null check (batch_size >= 1),
  -- How many records and rows were current when it began.
  expected_records bigint not null check (expected_records >= 0),
  expected_rows bigint not null check (expected_rows >= 0),
  actor bigint not null references actors,
  created_at timestamptz not null default clock_timestamp(),
  paused_at timestamptz,
  pause_reason text,
  paused_by bigint references actors,
  -- When the last batch was cut; of one that was ended before, when it was.
  cut_at timestamptz,
  stopped_at timestamptz,
  stop_reason text,
  cancelled boolean not null default false,
  finished_at timestamptz,
  foreign key (hook, healed_seq) references live_changes (hook, seq),
  check ((paused_at is null) = (paused_by is null) and (paused_at is not null or pause_reason is null)),
  check (stopped_at is not null or not cancelled),
  check (finished_at is null or cut_at is not null)
);
create index on recomputes (hook, id desc);
create index recomputes_open on recomputes (id) where finished_at is null;
alter table batches add foreign key (recompute) references recomputes;

create trigger once before update on recomputes for each row when (
  (new.id, new.hook, new.releases, new.convention, new.is_list, new.with_missing, new.healed_seq, new.reason,
   new.batch_size, new.expected_records, new.expected_rows, new.actor, new.created_at)
    is distinct from
    (old.id, old.hook, old.releases, old.convention, old.is_list, old.with_missing, old.healed_seq, old.reason,
     old.batch_size, old.expected_records, old.expected_rows, old.actor, old.created_at)
) execute function refuse_rewrite();

-- What is still to be cut, and how far it is. A walk is over the outcomes of a release, over those of one run that was
-- going when the recompute began, over a list, or over the records of a convention that the hook has never seen.
create table recompute_walks (
  recompute uuid not null references recomputes,
  position integer not null,
  version integer,
  only_run uuid references runs,
  is_list boolean not null default false,
  missing_in text references conventions,
  after_run uuid,
  after_record bigint,
  after_source text collate "C",
  done_at timestamptz,
  primary key (recompute, position),
  check (num_nonnulls(version, missing_in) + is_list::integer = 1),
  check (only_run is null or version is not null)
);

create table recompute_list (
  recompute uuid not null references recomputes,
  position integer not null,
  convention text not null,
  source_id text collate "C" not null,
  primary key (recompute, position)
);

-- The claim finds the newest version of the source, and the outcome of the hook that is current for it. The gates keep
-- both true until the commit, which proves it.
create table recompute_records (
  batch uuid not null references batches,
  source_id text collate "C" not null,
  batch_record bigint,
  current_outcome bigint,
  status text not null default 'pending' check (status in ('pending', 'overtaken', 'passed', 'rejected', 'errored')),
  reason text,
  -- The batch in which it was tried again.
  retried_in uuid,
  primary key (batch, source_id),
  foreign key (retried_in, source_id) references recompute_records (batch, source_id),
  check (status = 'pending' or batch_record is not null or status in ('errored', 'overtaken')),
  check (retried_in is null or status = 'errored')
) with (fillfactor = 45);

-- One that has passed, was rejected or overtaken is never written again, not even as it is: each is counted once.
create trigger once before update on recompute_records for each row when (
  old.status in ('passed', 'rejected', 'overtaken')
  or (new.batch, new.source_id) is distinct from (old.batch, old.source_id)
  or (old.status <> 'pending' and (new.status, new.reason) is distinct from (old.status, old.reason))
  or (old.batch_record is not null
      and (new.batch_record, new.current_outcome) is distinct from (old.batch_record, old.current_outcome))
  or (old.retried_in is not null and new.retried_in is distinct from old.retried_in)
) execute function refuse_rewrite();

create function prove_recompute_records() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray uuid;
begin
  select i.batch into stray
  from (select batch from inserted group by batch) i
  cross join lateral (select * from public.batches where id = i.batch offset 0) b
  where b.recompute is null or b.fence > 0 or b.status <> 'queued'
    or b.records <> (select count(*) from public.recompute_records r where r.batch = i.batch)
  limit 1;
  if found then
    raise exception 'batch % does not take these records', stray using errcode = '23503', table = 'recompute_records';
  end if;
  return null;
end $$;
create trigger prove after insert on recompute_records referencing new table as inserted
  for each statement execute function prove_recompute_records();

-- A batch of a recompute ends whole. Each record that was computed again is the newest of its source and has the outcome
-- that it says; what was current before is superseded by exactly that outcome, unless it errored; and nothing else of the
-- hook is current for it.
create function prove_recompute_end(b batches) returns void language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  ran record;
  stray text;
begin
  perform from public.recompute_records c where c.batch = b.id
  having count(*) <> b.records or count(*) filter (where c.status = 'pending') > 0
    or (b.invalid, b.unchanged, b.published, b.rejected, b.errored) is distinct from (
      0::bigint, count(*) filter (where c.status = 'overtaken'), count(*) filter (where c.status = 'passed'),
      count(*) filter (where c.status = 'rejected'), count(*) filter (where c.status = 'errored'));
  if found then
    raise exception 'batch % ends with records that it does not count', b.id using errcode = '23503', table = 'batches';
  end if;
  if b.status <> 'done' then
    return;
  end if;
  select r.id, r.hook into strict ran from public.runs r where r.batch = b.id;
  select c.source_id into stray
  from (select * from public.recompute_records where batch = b.id and status in ('passed', 'rejected', 'errored') offset 0) c
  left join lateral (
    select id, status from public.outcomes where run = ran.id and batch_record = c.batch_record offset 0) o on true
  left join lateral (select superseded_by from public.outcomes where id = c.current_outcome offset 0) old on true
  left join lateral (
    select convention, source_id, record_id, version from public.published
    where batch_record = c.batch_record offset 0) r on true
  left join lateral (
    select batch_record from public.records
    where record_id = r.record_id and version = r.version + 1 offset 0) newer on true
  left join lateral (
    select id from public.outcomes
    where batch_record = c.batch_record and hook = ran.hook and id <> o.id and superseded_by is null
      and status <> 'errored' limit 1) other on c.status <> 'errored'
  where o.status is distinct from c.status
    or (r.convention, r.source_id) is distinct from (b.convention, c.source_id)
    or c.status <> 'errored' and (newer.batch_record is not null or other.id is not null
      or c.current_outcome is not null and old.superseded_by is distinct from o.id)
  limit 1;
  if found then
    raise exception 'batch %: source % is not computed again as it says', b.id, stray
      using errcode = '23503', table = 'recompute_records';
  end if;
end $$;

-- Counts --------------------------------------------------------------------------------------------------------------

-- How many records and rows are current, by the release that made them: of the newest version of each record, and not
-- superseded. They are kept by triggers, in the transactions that change them; nobody else can write them. The lock for
-- publications orders those of one convention.
create table current_counts (
  hook text not null references hooks,
  version integer not null,
  record_set integer not null references record_sets,
  -- Those that the release has passed or rejected.
  records bigint not null default 0,
  rejected bigint not null default 0,
  rows bigint not null default 0,
  primary key (hook, version, record_set)
);
-- Of each set, whatever has run over them.
create table current_records (
  record_set integer primary key references record_sets,
  records bigint not null default 0
);

create function count_published() returns trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  perform pg_advisory_xact_lock(hashtext('osa.publish'), hashtext(c.convention))
  from (
    select s.convention from (select record_set from inserted group by record_set) i
    cross join lateral (select convention from public.record_sets where id = i.record_set offset 0) s
    group by s.convention order by s.convention) c;
  insert into public.current_records as t (record_set, records)
  select record_set, sum(n)
  from (
    select record_set, 1 as n from inserted
    union all
    select p.record_set, -1
    from (select record_id, version from inserted where version > 1 offset 0) i
    cross join lateral (
      select record_set from public.records where record_id = i.record_id and version = i.version - 1 offset 0) p) d
  group by record_set having sum(n) <> 0 order by record_set
  on conflict (record_set) do update set records = t.records + excluded.records;
  insert into public.current_counts as t (hook, version, record_set, records, rejected, rows)
  select o.hook, run.version, d.record_set, sum(d.n), sum(d.n * (o.status = 'rejected')::integer), sum(d.n * o.row_count)
  from (
    select batch_record, record_set, 1 as n from inserted
    union all
    select p.batch_record, p.record_set, -1
    from (select record_id, version from inserted where version > 1 offset 0) i
    cross join lateral (
      select batch_record, record_set from public.records
      where record_id = i.record_id and version = i.version - 1 offset 0) p
    offset 0) d
  cross join lateral (
    select hook, run, status, row_count from public.outcomes
    where batch_record = d.batch_record and superseded_by is null and status <> 'errored' offset 0) o
  cross join lateral (select version from public.runs where id = o.run offset 0) run
  group by 1, 2, 3
  having sum(d.n) <> 0 or sum(d.n * o.row_count) <> 0 or sum(d.n * (o.status = 'rejected')::integer) <> 0
  order by 1, 2, 3
  on conflict (hook, version, record_set) do update
  set records = t.records + excluded.records, rejected = t.rejected + excluded.rejected, rows = t.rows + excluded.rows;
  return null;
end $$;
create trigger count after insert on records referencing new table as inserted
  for each statement execute function count_published();

create function count_recomputed() returns trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  if not exists (select from updated where status in ('passed', 'rejected')) then
    return null;
  end if;
  perform pg_advisory_xact_lock(hashtext('osa.publish'), hashtext(b.convention))
  from (select batch from updated group by batch order by batch) u
  cross join lateral (select convention from public.batches where id = u.batch offset 0) b;
  insert into public.current_counts as t (hook, version, record_set, records, rejected, rows)
  select o.hook, run.version, r.record_set, sum(o.n), sum(o.n * (o.status = 'rejected')::integer), sum(o.n * o.row_count)
  from (
    select batch, batch_record, current_outcome from updated where status in ('passed', 'rejected') offset 0) u
  cross join lateral (select id from public.runs where batch = u.batch offset 0) made
  cross join lateral (
    select hook, run, status, row_count, 1 as n from public.outcomes
    where run = made.id and batch_record = u.batch_record
    union all
    select hook, run, status, row_count, -1 from public.outcomes where id = u.current_outcome) o
  cross join lateral (select version from public.runs where id = o.run offset 0) run
  cross join lateral (select record_set from public.records where batch_record = u.batch_record offset 0) r
  group by 1, 2, 3
  having sum(o.n) <> 0 or sum(o.n * o.row_count) <> 0 or sum(o.n * (o.status = 'rejected')::integer) <> 0
  order by 1, 2, 3
  on conflict (hook, version, record_set) do update
  set records = t.records + excluded.records, rejected = t.rejected + excluded.rejected, rows = t.rows + excluded.rows;
  return null;
end $$;
create trigger count after update on recompute_records referencing new table as updated
  for each statement execute function count_recomputed();

create trigger no_rewrite before update or delete or truncate on recompute_list
  for each statement execute function refuse_rewrite();
create trigger no_delete before delete or truncate on recomputes for each statement execute function refuse_rewrite();
create trigger no_delete before delete or truncate on recompute_walks
  for each statement execute function refuse_rewrite();
create trigger no_delete before delete or truncate on recompute_records
  for each statement execute function refuse_rewrite();

-- Comparisons ----------------------------------------------------------------------------------------------------------

-- A release, live or not, is run over published records, and the report says what differs from their rows. Nothing else
-- comes of it: a row needs an outcome, an outcome a run, and a run a batch, which is of an ingestion or a recompute and
-- takes live releases only. No table refers to a comparison.
create table comparisons (
  id uuid primary key,
  hook text not null references hooks,
  version integer not null,
  -- The release whose rows it is compared with; the current rows, where there is none.
  against integer,
  convention text references conventions,
  seed text not null,
  -- How many records are drawn; all, or those of the list, where there is none.
  sample integer check (sample >= 1),
  list bigint[],
  tolerances jsonb not null,
  keys jsonb not null,
  reason text,
  status text not null default 'queued' check (status in ('queued', 'running', 'done', 'failed')),
  fence bigint not null default 0,
  claimed_by text,
  lease_until timestamptz,
  problem text,
  report jsonb,
  actor bigint not null references actors,
  created_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  foreign key (hook, version) references releases (hook, version),
  foreign key (hook, against) references releases (hook, version),
  check ((status = 'running') = (lease_until is not null)),
  check ((status in ('done', 'failed')) = (finished_at is not null)),
  check ((status = 'done') = (report is not null)),
  check ((status = 'failed') = (problem is not null))
);
create index comparisons_open on comparisons (id) where finished_at is null;
create index on comparisons (hook, version, id desc);
-- A comparison ends once, and only its end is written later.
create trigger once before update on comparisons for each row when (
  old.finished_at is not null
  or (new.id, new.hook, new.version, new.against, new.convention, new.seed, new.sample, new.list, new.tolerances, new.keys,
      new.reason, new.actor, new.created_at)
    is distinct from
    (old.id, old.hook, old.version, old.against, old.convention, old.seed, old.sample, old.list, old.tolerances, old.keys,
     old.reason, old.actor, old.created_at)
  or new.fence not in (old.fence, old.fence + 1)
) execute function refuse_rewrite();
create trigger no_delete before delete or truncate on comparisons for each statement execute function refuse_rewrite();
