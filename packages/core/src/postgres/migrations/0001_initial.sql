-- What osa stores. The words are those of ARCHITECTURE.md; an arrow is a foreign key, or a trigger that stands for one.
--
--   actors                                  who does things: (issuer, subject) as the token said
--   role_assignments                        which people have which role
--   schema_owners → conventions             immutable                       the convention that first registered a schema id
--   schemas → schema_owners                 immutable                       (id, version)
--   conventions → schemas                   a dataset's declaration; changed by deploy only
--   convention_hooks → conventions, hooks   the hooks of a convention, in order
--   deploys → conventions                   append-only: what was sent, by whom, what it changed
--
--   hooks → conventions (owner)             name, contract, and the live pointer
--         → live_changes (name, live_seq, live_version)
--   releases → hooks, files                 append-only: versions 1..n of each hook, a chain without gaps
--   release_sources → releases              append-only: where else the code of a release comes from
--   live_changes → releases, live_changes   append-only: each move of a pointer names the one before it
--
--   files                                   content-addressed bytes, here only their size
--   stored_files → files                    append-only: those that records may have, and how they begin
--   ingestions → conventions, schemas       one upload of records
--   batches → ingestions, recomputes        the queue: status, fence, lease, snapshot
--   batch_gates → batches                   "not before": earlier unfinished batches with the same sources
--   batch_records → batches, records        what came in, and what became of it
--   sources                                 the newest arrival of each source of a convention
--   record_files → batch_records, stored_files  append-only: the files that a record came with
--   recomputes → hooks                      a hook's live release over published records
--   recompute_walks → recomputes            what is still to be cut into batches
--   recompute_records → batches             the records of such a batch, and what became of them
--   comparisons → releases                  what a release would change; makes no rows
--   current_counts → hooks, releases        how many current records and rows each release has
--   runs → batches, releases                one hook over one batch under one release
--   attempts → runs                         one start of the hook's code
--   running_logs → attempts                 the end of its log, while it is going
--   outcomes → runs, batch_records, attempts  what one run made of one record
--   record_sets → conventions, schemas      append-only: what many published records have in common
--   records → batch_records, record_sets    immutable: published, versioned; its content stays in the batch record
--   published                               the view of them with all that belongs to a record
--   features.<hook>                         rows; each (outcome_id, run_id) is proved when it is inserted
--   current.<hook>                          the view of it for people
--
--   workers                                 who runs batches at the moment, and what each can start
--   events                                  append-only outbox
--   refusals → actors                       how often somebody was refused
--   idempotency_keys                        answers kept for a day

create schema features;
create schema current;

-- Refusals -----------------------------------------------------------------------------------------------------
--
-- Each function fixes its search_path: otherwise a type or table that the caller has made, say pg_temp.jsonb with
-- casts of its own, would stand before the one that is meant. Conditions of triggers (`when`) are bound here and
-- now, so they need none. Triggers say for each row what a key cannot; where rows are many, they look once a
-- statement, and their plans are held to index lookups, since a session keeps a plan while the tables grow.

create function refuse_rewrite() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% of % is refused: history only grows', lower(tg_op), tg_table_name
    using errcode = '42501', table = tg_table_name, schema = tg_table_schema;
end $$;

-- Who --------------------------------------------------------------------------------------------------------------

create table actors (
  id bigint generated always as identity primary key,
  issuer text not null,
  subject text not null,
  -- The id that the archive gives a machine: uuid5(url namespace, issuer # subject). Not unique, since
  -- issuer and subject can be split in two ways; it is shown, never looked up.
  uuid uuid not null,
  first_seen_at timestamptz not null default now(),
  unique (issuer, subject)
);

-- The roles of people, whose tokens come from the primary issuer; the owner of the database gives and takes them.
create table role_assignments (
  user_id uuid not null,
  role text not null check (role in ('PUBLIC', 'DEPOSITOR', 'CURATOR', 'ADMIN', 'SUPERADMIN')),
  assigned_at timestamptz not null default now(),
  primary key (user_id, role)
);

-- What is declared ---------------------------------------------------------------------------------------------------

-- A schema id belongs to the convention that registers it first; two deploys that want it meet here.
create table schema_owners (
  id text primary key check (id ~ '^[a-z][a-z0-9-]{2,63}$'),
  owner text not null
);

create table schemas (
  id text not null references schema_owners,
  version text not null,
  title text not null,
  fields jsonb not null,
  -- Whether text without a rule takes any JSON value, as the archive's SDK means it.
  open_text boolean not null,
  actor bigint not null references actors,
  created_at timestamptz not null default now(),
  primary key (id, version)
);

create table conventions (
  slug text primary key check (slug ~ '^[a-z][a-z0-9-]{2,63}$'),
  title text not null,
  description text not null,
  schema_id text not null,
  schema_version text not null,
  file_requirements jsonb not null,
  docs jsonb,
  ingester jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Deferred, because a deploy locks the convention before it makes the schema.
  foreign key (schema_id, schema_version) references schemas deferrable initially deferred
);
alter table schema_owners add foreign key (owner) references conventions;

create table deploys (
  id uuid primary key,
  slug text not null references conventions,
  manifest jsonb not null,
  manifest_digest text not null,
  changed boolean not null,
  changes jsonb not null,
  actor bigint not null references actors,
  at timestamptz not null default now()
);
create index on deploys (slug, at desc);
-- Which schema versions a convention has ever used.
create index on deploys (slug, (manifest #>> '{schema,id}'), (manifest #>> '{schema,version}'));

-- What runs -----------------------------------------------------------------------------------------------------------

create table hooks (
  name text primary key check (name ~ '^[a-z][a-z0-9_]{0,39}$' and name !~ '^pg_'),
  owner text not null references conventions,
  feature jsonb not null,
  release_count integer not null default 0 check (release_count >= 0),
  live_seq integer,
  live_version integer,
  created_at timestamptz not null default now(),
  -- While it is set, no batch is claimed that the hook would run over.
  paused_at timestamptz,
  pause_reason text,
  paused_by bigint references actors,
  last_version integer generated always as (nullif(release_count, 0)) stored,
  check ((live_seq is null) = (live_version is null)),
  check ((paused_at is null) = (paused_by is null) and (paused_at is not null or pause_reason is null)),
  check (coalesce(feature ->> 'cardinality' in ('one', 'many') and jsonb_typeof(feature -> 'columns') = 'array', false))
);

create table convention_hooks (
  slug text not null references conventions,
  position integer not null,
  hook text not null references hooks,
  primary key (slug, position),
  unique (slug, hook)
);
create index on convention_hooks (hook);

create table files (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint not null check (size >= 0),
  actor bigint not null references actors,
  at timestamptz not null default now()
);

create table releases (
  id uuid primary key,
  hook text not null references hooks,
  version integer not null check (version >= 1),
  runtime text not null check (runtime in ('image', 'directory')),
  image text,
  digest text not null check (digest ~ '^sha256:[0-9a-f]{64}$'),
  command jsonb,
  config jsonb not null,
  limits jsonb not null,
  fingerprint text not null check (fingerprint ~ '^[0-9a-f]{64}$'),
  source_ref text not null,
  built_by bigint not null references actors,
  -- By the clock: a release that waited for another one's lock is the later one.
  built_at timestamptz not null default clock_timestamp(),
  previous_version integer generated always as (nullif(version - 1, 0)) stored,
  -- The packed directory, which must be stored before anything can run it.
  blob text generated always as (case runtime when 'directory' then substr(digest, 8) end) stored references files,
  unique (hook, version),
  unique (hook, fingerprint),
  foreign key (hook, previous_version) references releases (hook, version),
  check ((runtime = 'image') = (image is not null)),
  check ((runtime = 'directory') = (command is not null))
);

-- Where else the bytes of a release come from: they were released before they were committed, or another commit holds them.
create table release_sources (
  hook text not null,
  version integer not null,
  source_ref text not null,
  actor bigint not null references actors,
  at timestamptz not null default clock_timestamp(),
  primary key (hook, version, source_ref),
  foreign key (hook, version) references releases (hook, version)
);

create table live_changes (
  hook text not null references hooks,
  seq integer not null check (seq >= 1),
  from_version integer,
  to_version integer not null,
  kind text not null check (kind in ('release', 'rollback', 'activate')),
  reason text,
  actor bigint not null references actors,
  -- By the clock, not the transaction: the change that waited for another one is the later one.
  at timestamptz not null default clock_timestamp(),
  previous_seq integer generated always as (nullif(seq - 1, 0)) stored,
  primary key (hook, seq),
  unique (hook, seq, to_version),
  check ((seq = 1) = (from_version is null)),
  check (from_version is distinct from to_version),
  check (case kind when 'rollback' then coalesce(to_version < from_version, false)
                   when 'release' then to_version > coalesce(from_version, 0) else true end),
  foreign key (hook, to_version) references releases (hook, version),
  -- Each change starts where the one before it ended.
  foreign key (hook, previous_seq, from_version) references live_changes (hook, seq, to_version)
);

create index on live_changes (hook, to_version, seq);

alter table hooks
  add foreign key (name, last_version) references releases (hook, version) deferrable initially deferred,
  add foreign key (name, live_seq, live_version) references live_changes (hook, seq, to_version)
    deferrable initially deferred;

-- The pointer moves by one change at a time, and the count by one release at a time.
create function guard_hook() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.name, new.owner, new.feature, new.created_at)
     is distinct from (old.name, old.owner, old.feature, old.created_at) then
    raise exception 'hook % may not change its name, owner or contract', old.name
      using errcode = '42501', table = 'hooks';
  end if;
  if new.release_count not in (old.release_count, old.release_count + 1) then
    raise exception 'hook %: releases are counted one at a time', old.name using errcode = '42501', table = 'hooks';
  end if;
  if (new.live_seq, new.live_version) is distinct from (old.live_seq, old.live_version)
     and new.live_seq is distinct from coalesce(old.live_seq, 0) + 1 then
    raise exception 'hook %: the live pointer moves by one live change at a time', old.name
      using errcode = '42501', table = 'hooks';
  end if;
  return new;
end $$;
create trigger guard before update on hooks for each row execute function guard_hook();
create trigger no_delete before delete or truncate on hooks for each statement execute function refuse_rewrite();

-- A change that its hook does not follow, or a release that its hook does not count, cannot be committed.
create function guard_live_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from public.hooks h where h.name = new.hook and h.live_seq >= new.seq) then
    raise exception 'hook %: live change % without a move of the pointer', new.hook, new.seq
      using errcode = '23503', table = 'live_changes';
  end if;
  return null;
end $$;
create constraint trigger followed after insert on live_changes deferrable initially deferred
  for each row execute function guard_live_change();

create function guard_release() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from public.hooks h where h.name = new.hook and h.release_count >= new.version) then
    raise exception 'hook %: release % is not counted', new.hook, new.version
      using errcode = '23503', table = 'releases';
  end if;
  return null;
end $$;
create constraint trigger counted after insert on releases deferrable initially deferred
  for each row execute function guard_release();

create function guard_new_hook() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from pg_class c where c.oid = to_regclass(format('features.%I', new.name)) and c.relkind = 'r';
  if not found then
    raise exception 'hook % has no feature table', new.name using errcode = '23503', table = 'hooks';
  end if;
  return null;
end $$;
create constraint trigger has_table after insert on hooks deferrable initially deferred
  for each row execute function guard_new_hook();

-- Notes a further source of a release. A source that names no commit for the bytes says nothing more.
create function add_release_source(of_hook text, of_version integer, further text, who bigint)
  returns void language sql set search_path = pg_catalog, pg_temp as $$
  insert into public.release_sources (hook, version, source_ref, actor)
  select r.hook, r.version, further, who from public.releases r
  where r.hook = of_hook and r.version = of_version and r.source_ref <> further
    and further <> 'unknown' and further !~ '-dirty$'
  on conflict do nothing
$$;

-- Mints the version after a hook's last, all in one call, so that other clients wait for its commit and nothing else.
-- Parts of the release may have been carried over from the version that the caller had `seen` live before anything was
-- locked. Where another one is live by now and does not say the same, nothing is done, and the outcome is `moved`.
-- Nothing is done either for `stranger` (an actor who was never seen), `unknown` (no such hook), `unexpected` (the
-- pointer is not where it is expected), `missing` (the packed directory is not stored), `unsourced` (a new release, whose
-- code comes from nobody knows where) and `known` (this very release is there, and comes back; its source is noted). `told`, where given, goes
-- to the outbox with the version, and so does `accepted` for a release that is minted or known.
create function mint_release(
  wanted text, seen integer, carries_digest boolean, seen_releases integer, expected_seq integer, expected_version integer,
  new_id uuid, new_runtime text, new_image text, new_digest text, new_command jsonb, new_config jsonb, new_limits jsonb,
  new_fingerprint text, new_source_ref text, by_issuer text, by_subject text, goes_live boolean, why text,
  told jsonb, accepted jsonb, out outcome text, out version integer, out id uuid, out source_ref text, out built_at timestamptz,
  out live_seq integer, out live_version integer)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  hook public.hooks;
  who bigint := (select a.id from public.actors a where a.issuer = by_issuer and a.subject = by_subject);
begin
  select * into hook from public.hooks h where h.name = wanted for no key update;
  mint_release.live_seq := hook.live_seq;
  mint_release.live_version := hook.live_version;
  mint_release.outcome := case
    when who is null then 'stranger'
    when hook.name is null then 'unknown'
    when hook.live_seq is distinct from coalesce(expected_seq, hook.live_seq)
      or hook.live_version is distinct from coalesce(expected_version, hook.live_version) then 'unexpected'
    when hook.live_version is distinct from seen and not exists (
      select from public.releases a, public.releases b
      where a.hook = wanted and a.version = seen and b.hook = wanted and b.version = hook.live_version
        and (a.runtime, a.image, a.command, a.config, a.limits, a.source_ref)
            is not distinct from (b.runtime, b.image, b.command, b.config, b.limits, b.source_ref)
        and (a.digest = b.digest or not carries_digest)) then 'moved'
    -- It may be the release that the request means.
    when exists (
      select from public.releases r
      where r.hook = wanted and r.version > seen_releases and r.digest = new_digest
        and r.fingerprint <> new_fingerprint) then 'moved'
  end;
  if mint_release.outcome is not null then
    return;
  end if;
  select 'known', r.version, r.id, r.source_ref, r.built_at
    into mint_release.outcome, mint_release.version, mint_release.id, mint_release.source_ref, mint_release.built_at
    from public.releases r where r.hook = wanted and r.fingerprint = new_fingerprint;
  if found then
    perform public.add_release_source(wanted, mint_release.version, new_source_ref, who);
    if accepted is not null then
      insert into public.events (type, payload) values ('request.accepted', accepted || jsonb_build_object('actor', who));
    end if;
    return;
  end if;
  if new_runtime = 'directory'
     and not exists (select from public.files f where f.sha256 = substr(new_digest, 8)) then
    mint_release.outcome := 'missing';
    return;
  end if;
  if new_source_ref is null then
    mint_release.outcome := 'unsourced';
    return;
  end if;
  update public.hooks h set
      release_count = release_count + 1,
      live_seq = case when goes_live then coalesce(live_seq, 0) + 1 else live_seq end,
      live_version = case when goes_live then release_count + 1 else live_version end
    where h.name = wanted
    returning 'minted', release_count, live_seq, live_version
    into mint_release.outcome, mint_release.version, mint_release.live_seq, mint_release.live_version;
  insert into public.releases (id, hook, version, runtime, image, digest, command, config, limits, fingerprint,
                               source_ref, built_by)
    values (new_id, wanted, mint_release.version, new_runtime, new_image, new_digest, new_command, new_config, new_limits,
            new_fingerprint, new_source_ref, who)
    returning id, source_ref, built_at into mint_release.id, mint_release.source_ref, mint_release.built_at;
  if goes_live then
    insert into public.live_changes (hook, seq, from_version, to_version, kind, reason, actor)
      values (wanted, mint_release.live_seq, hook.live_version, mint_release.version, 'release', why, who);
  end if;
  if told is not null then
    insert into public.events (type, payload)
      values ('hook.released', told || jsonb_build_object('version', mint_release.version, 'actor', who));
  end if;
  if accepted is not null then
    insert into public.events (type, payload) values ('request.accepted', accepted || jsonb_build_object('actor', who));
  end if;
end $$;

-- A convention, and the list of its hooks, change by a deploy only: one that the same transaction has written down.
create function guard_declaration() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  declared text := coalesce(to_jsonb(new), to_jsonb(old)) ->> 'slug';
begin
  -- The time is the transaction's; it finds the deploy by index.
  if not exists (select from public.deploys d
                 where d.slug = declared and d.at = now() and d.xmin = pg_current_xact_id()::xid) then
    raise exception 'convention %: a change without a deploy', declared using errcode = '23503', table = tg_table_name;
  end if;
  return null;
end $$;
create constraint trigger deployed after insert or update on conventions deferrable initially deferred
  for each row execute function guard_declaration();
create constraint trigger deployed after insert or update or delete on convention_hooks deferrable initially deferred
  for each row execute function guard_declaration();

-- What comes in ---------------------------------------------------------------------------------------------------------

create table ingestions (
  id uuid primary key,
  convention text not null references conventions,
  schema_id text not null,
  schema_version text not null,
  batch_size integer not null check (batch_size >= 1),
  content_sha256 text not null,
  actor bigint not null references actors,
  sealed_at timestamptz not null default now(),
  stopped_at timestamptz,
  stop_reason text,
  -- Stopped by somebody, not by what its hooks did.
  cancelled boolean not null default false,
  -- While it is set, none of its batches is claimed.
  paused_at timestamptz,
  pause_reason text,
  paused_by bigint references actors,
  unique (id, convention),
  foreign key (schema_id, schema_version) references schemas,
  check ((paused_at is null) = (paused_by is null) and (paused_at is not null or pause_reason is null)),
  check (stopped_at is not null or not cancelled)
);
create index on ingestions (convention, sealed_at desc);
create index on ingestions (id) where paused_at is not null;
-- An upload that is repeated is found by its content.
create index on ingestions (convention, content_sha256);

create table batches (
  id uuid primary key,
  -- A batch is of one of the two: records that came in, or published records that are computed again.
  ingestion uuid,
  recompute uuid,
  convention text not null references conventions,
  index integer not null check (index >= 0),
  status text not null default 'queued' check (status in ('queued', 'running', 'parked', 'done', 'failed')),
  -- Why it waits, is parked or has failed.
  reason text,
  -- Grows with each claim; a worker that holds an older one writes nothing.
  fence bigint not null default 0,
  claimed_by text,
  lease_until timestamptz,
  snapshot_at timestamptz,
  available_at timestamptz not null default now(),
  failures integer not null default 0,
  -- How many claims of it failed, one after the other.
  claim_failures integer not null default 0,
  -- How often a worker was lost with it: its lease ran out, or it died.
  lost integer not null default 0,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  records integer not null,
  invalid integer not null default 0,
  unchanged integer not null default 0,
  published integer not null default 0,
  rejected integer not null default 0,
  errored integer not null default 0,
  retried integer not null default 0,
  rows bigint not null default 0,
  -- Of these, the rows of records that were tried again.
  retried_rows bigint not null default 0,
  unique (ingestion, index),
  unique (recompute, index),
  foreign key (ingestion, convention) references ingestions (id, convention),
  check (num_nonnulls(ingestion, recompute) = 1),
  check ((status = 'running') = (lease_until is not null)),
  check ((status in ('done', 'failed')) = (finished_at is not null)),
  -- No code starts, and nothing is written, before it is stored which releases run.
  check (status not in ('running', 'done') or (snapshot_at is not null and fence > 0)),
  check (least(records, invalid, unchanged, published, rejected, errored, retried, failures, claim_failures, lost) >= 0 and retried_rows between 0 and rows)
);
create index batches_open on batches (available_at, id) where status in ('queued', 'running', 'parked');
-- Those that keep the releases of their claim.
create index batches_claimed on batches (ingestion) where snapshot_at is not null and finished_at is null;
-- Those that cannot be claimed, for the metrics.
create index batches_failing on batches (claim_failures) where claim_failures > 0 and finished_at is null;

create function guard_batch() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.id, new.ingestion, new.recompute, new.convention, new.index, new.records, new.created_at) is distinct from
     (old.id, old.ingestion, old.recompute, old.convention, old.index, old.records, old.created_at) then
    raise exception 'batch % may not change what it is', old.id using errcode = '42501', table = 'batches';
  end if;
  if new.fence not in (old.fence, old.fence + 1)
     or (old.snapshot_at is not null and new.snapshot_at is distinct from old.snapshot_at) then
    raise exception 'batch %: a fence grows by one, and a snapshot is taken once', old.id
      using errcode = '42501', table = 'batches';
  end if;
  if new.status = 'running' and new.fence = old.fence
     and (old.status, old.claimed_by) is distinct from (new.status, new.claimed_by) then
    raise exception 'batch %: it changes hands with a higher fence only', old.id
      using errcode = '42501', table = 'batches';
  end if;
  if old.snapshot_at is null and new.snapshot_at is not null and (
    case when new.recompute is null then exists (
      select from public.convention_hooks c
      where c.slug = new.convention
        and not exists (select from public.runs r where r.batch = new.id and r.hook = c.hook))
    else not exists (select from public.runs r where r.batch = new.id) end) then
    raise exception 'batch %: a snapshot with fewer runs than hooks', old.id using errcode = '23503', table = 'batches';
  end if;
  -- What is tried again moves from rejected and errored to retried; all else of an ended batch stays.
  if old.status in ('done', 'failed') and (
    (new.status, new.reason, new.fence, new.claimed_by, new.lease_until, new.snapshot_at, new.available_at, new.failures,
     new.claim_failures, new.lost, new.finished_at, new.invalid, new.unchanged, new.published, new.rows)
    is distinct from
    (old.status, old.reason, old.fence, old.claimed_by, old.lease_until, old.snapshot_at, old.available_at, old.failures,
     old.claim_failures, old.lost, old.finished_at, old.invalid, old.unchanged, old.published, old.rows)
    or new.rejected > old.rejected or new.errored > old.errored or new.retried_rows < old.retried_rows
    or new.rejected + new.errored + new.retried <> old.rejected + old.errored + old.retried) then
    raise exception 'batch % has ended', old.id using errcode = '42501', table = 'batches';
  end if;
  return new;
end $$;
create trigger guard before update on batches for each row execute function guard_batch();

create table batch_gates (
  batch uuid not null references batches,
  predecessor uuid not null references batches,
  primary key (batch, predecessor),
  check (batch <> predecessor)
);
create index on batch_gates (predecessor);

-- The convention and the schema version of published records, and the domain in their names.
create table record_sets (
  id integer generated always as identity primary key,
  convention text not null references conventions,
  schema_id text not null,
  schema_version text not null,
  domain text not null check (domain ~ '^[a-z0-9.-]+$'),
  unique (convention, schema_id, schema_version, domain),
  foreign key (schema_id, schema_version) references schemas
);

-- A published version of a source, under the name urn:osa:<domain>:rec:<record_id>@<version>. What it says is said once, in
-- the batch record that became it.
create table records (
  batch_record bigint primary key,
  -- By the clock: publications of a convention take turns, so those that come later have later times.
  published_at timestamptz not null default clock_timestamp(),
  record_id uuid not null,
  version integer not null check (version >= 1),
  record_set integer not null,
  unique (record_id, version)
);
-- The pages of a convention's records, newest first.
create index on records (record_set, published_at, record_id, version);

create table batch_records (
  id bigint generated always as identity primary key,
  batch uuid not null,
  source_id text collate "C" not null,
  -- The line of the upload, from 1.
  line integer not null,
  -- Canonical. As jsonb its numbers would lose their exponents, and 1e308 would be read as 309 digits.
  metadata json not null,
  -- SHA-256.
  content_digest bytea not null check (length(content_digest) = 32),
  status text not null default 'pending'
    check (status in ('pending', 'invalid', 'unchanged', 'published', 'rejected', 'errored')),
  reason text,
  -- The record that was found unchanged.
  record bigint,
  -- The batch in which this record was tried again.
  retried_in uuid,
  unique (batch, source_id),
  foreign key (retried_in, source_id) references batch_records (batch, source_id),
  check ((status = 'unchanged') = (record is not null)),
  check (retried_in is null or status in ('rejected', 'errored'))
) with (fillfactor = 48);
-- Each is updated once, when its batch ends. No index has a column that changes then, and the page has room for what it
-- becomes, so that the update touches no index.

-- What came in stays; a status is found once, and what failed is tried again once.
create trigger once before update on batch_records for each row when (
  (new.id, new.batch, new.source_id, new.line, new.metadata::text, new.content_digest)
    is distinct from (old.id, old.batch, old.source_id, old.line, old.metadata::text, old.content_digest)
  or (old.status <> 'pending'
      and (new.status, new.reason, new.record) is distinct from (old.status, old.reason, old.record))
  or (old.retried_in is not null and new.retried_in is distinct from old.retried_in)
) execute function refuse_rewrite();

-- Published records with all that belongs to them. Found fast by batch_record, or by record_id and version.
create view published as
  select 'urn:osa:' || s.domain || ':rec:' || r.record_id || '@' || r.version as srn, r.record_id, r.version,
         s.convention, b.source_id, s.schema_id, s.schema_version, b.metadata, b.content_digest, r.published_at,
         r.batch_record, b.batch, b.line
  from records r
  join record_sets s on s.id = r.record_set
  join batch_records b on b.id = r.batch_record;

-- The records of a batch come in with it, all of them, before anybody has claimed it.
-- This stands for the foreign key to the batch, too, which cannot go away.
create function prove_batch_records() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray uuid;
begin
  select i.batch into stray
  from (select batch, count(record) as ended from inserted group by batch) i
  left join lateral (select * from public.batches where id = i.batch offset 0) b on true
  where b.id is null or i.ended > 0 or b.fence > 0 or b.status <> 'queued' or b.recompute is not null
    or b.records <> (select count(*) from public.batch_records r where r.batch = i.batch)
  limit 1;
  if found then
    raise exception 'batch % does not take these records', stray using errcode = '23503', table = 'batch_records';
  end if;
  return null;
end $$;
create trigger prove after insert on batch_records referencing new table as inserted
  for each statement execute function prove_batch_records();

create table sources (
  convention text not null,
  source_id text collate "C" not null,
  record_id uuid not null,
  last_batch uuid not null,
  -- The newest batch that computes it again; what arrives after that waits for it.
  last_recompute uuid,
  primary key (convention, source_id)
);
-- A source keeps the id of its record.
create trigger once before update on sources for each row when (
  (new.convention, new.source_id, new.record_id) is distinct from (old.convention, old.source_id, old.record_id)
) execute function refuse_rewrite();

-- Stands for foreign keys from each source to its convention and its last batches, proved for all of a statement at once.
create function prove_sources() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  select c.convention, c.last_batch, c.last_recompute into stray
  from (select convention, last_batch, last_recompute from changed group by 1, 2, 3) c
  left join lateral (select convention from public.batches where id = c.last_batch offset 0) b on true
  left join lateral (select convention from public.batches where id = c.last_recompute offset 0) r on true
  where b.convention is distinct from c.convention
    or (c.last_recompute is not null and r.convention is distinct from c.convention)
  limit 1;
  if found then
    raise exception 'a source of convention %: batch % or % is not of this convention', stray.convention,
      stray.last_batch, stray.last_recompute
      using errcode = '23503', table = 'sources';
  end if;
  return null;
end $$;
create trigger prove_insert after insert on sources referencing new table as changed
  for each statement execute function prove_sources();
create trigger prove_update after update on sources referencing new table as changed
  for each statement execute function prove_sources();

-- A worker tells every few seconds that it is there; a row that nobody has renewed for a minute is one of a dead worker.
create table workers (
  name text primary key,
  runtimes text[] not null,
  seen_at timestamptz not null default now()
);

-- What was run ------------------------------------------------------------------------------------------------------------

create table runs (
  id uuid primary key,
  batch uuid not null references batches,
  hook text not null,
  version integer not null,
  status text check (status in ('passed', 'failed', 'error')),
  reason text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  input_digest text,
  output_digest text,
  row_count bigint,
  unique (batch, hook),
  foreign key (hook, version) references releases (hook, version),
  check ((status is null) = (finished_at is null))
);
create index on runs (hook, version, id);
create index on runs (created_at, id);
create index on runs (hook, created_at, id);
create index on runs (hook, version, created_at, id);
-- A run ends once, and nothing of it is written before or after that.
create trigger once before update on runs for each row when (
  old.finished_at is not null or new.finished_at is null
  or (new.id, new.batch, new.hook, new.version, new.created_at)
    is distinct from (old.id, old.batch, old.hook, old.version, old.created_at)
) execute function refuse_rewrite();

-- A run is part of a snapshot: of a hook that the convention has, or of the one that is recomputed, under the release that
-- is live at that moment.
create function guard_run() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.batches b where b.id = new.batch and b.snapshot_at is null
    and case when b.recompute is null
      then exists (select from public.convention_hooks c where c.slug = b.convention and c.hook = new.hook)
      else exists (select from public.recomputes c where c.id = b.recompute and c.hook = new.hook) end;
  if not found then
    raise exception 'run of % for batch %: it is not of the convention, or the snapshot is taken', new.hook, new.batch
      using errcode = '23503', table = 'runs';
  end if;
  perform from public.hooks h where h.name = new.hook and h.live_version = new.version for share;
  if not found then
    raise exception 'run of % for batch %: version % is not live', new.hook, new.batch, new.version
      using errcode = '23503', table = 'runs';
  end if;
  return new;
end $$;
create trigger guard before insert on runs for each row execute function guard_run();

create table attempts (
  run uuid not null references runs,
  n integer not null check (n >= 1),
  fence bigint not null,
  memory_bytes bigint not null,
  runner text not null,
  resolved_digest text,
  -- Of the one platform that ran, where the release's digest is that of an index.
  platform_digest text,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  ending text,
  exit_code integer,
  exit_signal text,
  detail text,
  log bytea,
  -- Of all that it said; the log keeps the start and the end.
  log_bytes bigint,
  primary key (run, n),
  check ((ending is null) = (finished_at is null))
);
create trigger once before update on attempts for each row when (
  old.finished_at is not null or new.finished_at is null
  or (new.run, new.n, new.fence, new.memory_bytes, new.runner, new.started_at)
    is distinct from (old.run, old.n, old.fence, old.memory_bytes, old.runner, old.started_at)
) execute function refuse_rewrite();

-- What an attempt that is still going has said last, and how much it has said: for who follows it, and all that is left
-- of the log where its worker is lost. It goes when the attempt ends.
create table running_logs (
  run uuid not null,
  attempt integer not null,
  tail bytea not null,
  bytes bigint not null,
  primary key (run, attempt),
  foreign key (run, attempt) references attempts (run, n)
);

-- An attempt is the next one of a run that is open, started by who holds the batch.
-- The lease counts as at the statement's beginning: who has asked for it within the statement must not be refused here
-- because it ended meanwhile.
create function guard_attempt() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.runs r join public.batches b on b.id = r.batch
    where r.id = new.run and r.finished_at is null and b.status = 'running' and b.fence = new.fence
      and b.lease_until > statement_timestamp();
  if not found or new.n <> (select coalesce(max(a.n), 0) + 1 from public.attempts a where a.run = new.run) then
    raise exception 'attempt % of run %: it is not the next one, or the batch is not held with fence %', new.n, new.run,
      new.fence using errcode = '23503', table = 'attempts';
  end if;
  return new;
end $$;
create trigger guard before insert on attempts for each row execute function guard_attempt();

create table outcomes (
  id bigint generated always as identity primary key,
  run uuid not null,
  batch uuid not null,
  hook text not null,
  batch_record bigint not null,
  attempt integer,
  status text not null check (status in ('passed', 'rejected', 'errored')),
  reason text,
  row_count integer not null default 0 check (row_count >= 0),
  superseded_by bigint references outcomes,
  unique (run, batch_record),
  check ((status = 'passed') = (reason is null)),
  check (status = 'passed' or row_count = 0),
  -- What passed was computed by an attempt; what errored may never have been started.
  check (status = 'errored' or attempt is not null),
  check (superseded_by > id)
);
create index on outcomes (batch_record);
create trigger once before update on outcomes for each row when (
  old.superseded_by is not null or new.superseded_by is null
  or (new.id, new.run, new.batch, new.hook, new.batch_record, new.attempt, new.status, new.reason, new.row_count)
    is distinct from
    (old.id, old.run, old.batch, old.hook, old.batch_record, old.attempt, old.status, old.reason, old.row_count)
) execute function refuse_rewrite();

-- An outcome gives way to one that a recompute has made of the same record and hook in this transaction, and to no other;
-- one that errored says nothing of the record, so it replaces nothing and is not replaced.
create function prove_supersession() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  select u.id, u.superseded_by into stray
  from updated u
  left join lateral (select *, xmin from public.outcomes where id = u.superseded_by offset 0) n on true
  left join lateral (select source_id from public.batch_records where id = n.batch_record offset 0) b on true
  left join lateral (
    select current_outcome, batch_record from public.recompute_records
    where batch = n.batch and source_id = b.source_id and status = 'pending' offset 0) c on true
  where not coalesce(
    n.hook = u.hook and n.batch_record = u.batch_record and n.xmin = pg_current_xact_id()::xid
      and u.status <> 'errored' and n.status <> 'errored'
      and c.current_outcome = u.id and c.batch_record = u.batch_record, false)
  limit 1;
  if found then
    raise exception 'outcome % is not superseded by %, which no recompute made of the same record and hook', stray.id,
      stray.superseded_by using errcode = '23503', table = 'outcomes';
  end if;
  return null;
end $$;
create trigger superseded after update on outcomes referencing new table as updated
  for each statement execute function prove_supersession();

-- Stands for foreign keys from each outcome to its run, attempt and batch record, none of which can go away or be
-- re-keyed; proved for all of a statement at once, since keys checked one by one cost more than the outcomes do.
-- Outcomes are written by the transaction that ends their batch and run, for records that were open until then.
-- An answer comes from an attempt of the holder that ran the release's very digest, to its good end or until it ran
-- out of memory: what it had finished by then is kept, also when the run failed in the end. A row that
-- this transaction has written is told by its xmin, since nothing but the end of a run can update it.
create function prove_outcomes() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  select i.run, i.attempt into stray
  from (select run, batch, hook, attempt, bool_or(status <> 'errored') as answered
        from inserted group by run, batch, hook, attempt) i
  where not exists (
    select from (select *, xmin from public.runs where id = i.run offset 0) r
    cross join lateral (select * from public.batches where id = r.batch offset 0) b
    cross join lateral (select digest from public.releases where hook = r.hook and version = r.version offset 0) l
    left join lateral (select * from public.attempts where run = i.run and n = i.attempt offset 0) a on true
    where (r.id, r.batch, r.hook) = (i.run, i.batch, i.hook) and b.status = 'done'
      and r.finished_at is not null and r.xmin = pg_current_xact_id()::xid
      and (i.attempt is null or a.fence = b.fence)
      and (not i.answered or (
        a.resolved_digest = l.digest and (
          r.status = 'passed' and a.ending = 'exited' and a.exit_code = 0
          or r.status in ('passed', 'failed') and a.ending = 'out_of_memory'
            and a.exit_code is distinct from 0))))
  limit 1;
  if found then
    raise exception 'outcomes of run %, attempt %: the run did not end here, or the attempt cannot have answered',
      stray.run, stray.attempt using errcode = '23503', table = 'outcomes';
  end if;
  select i.run, i.batch_record into stray
  from inserted i
  left join lateral (select batch, status, source_id from public.batch_records where id = i.batch_record limit 1) b on true
  left join lateral (
    select batch_record, status from public.recompute_records
    where b.batch <> i.batch and batch = i.batch and source_id = b.source_id limit 1) c on true
  where (b.batch, b.status) is distinct from (i.batch, 'pending')
    and (b.status, c.batch_record, c.status) is distinct from ('published', i.batch_record, 'pending')
  limit 1;
  if found then
    raise exception 'outcome of run % for record %, which is not open', stray.run, stray.batch_record
      using errcode = '23503', table = 'outcomes';
  end if;
  return null;
end $$;
create trigger prove after insert on outcomes referencing new table as inserted
  for each statement execute function prove_outcomes();

-- A batch ends whole: it counts its records as they ended, none is left open, every run has ended with as many rows
-- as its outcomes say, and when it is done each run has an outcome for each record that was given to it.
create function guard_batch_end() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  if new.recompute is not null then
    perform public.prove_recompute_end(new);
  else
    perform from public.batch_records b where b.batch = new.id
    having count(*) <> new.records or count(*) filter (where b.status = 'pending') > 0
      or (new.invalid, new.unchanged, new.published, new.rejected, new.errored) is distinct from (
        count(*) filter (where b.status = 'invalid'), count(*) filter (where b.status = 'unchanged'),
        count(*) filter (where b.status = 'published'), count(*) filter (where b.status = 'rejected'),
        count(*) filter (where b.status = 'errored'));
    if found then
      raise exception 'batch % ends with records that it does not count', new.id
        using errcode = '23503', table = 'batches';
    end if;
  end if;
  perform from public.runs r left join public.outcomes o on o.run = r.id where r.batch = new.id
  group by r.id
  having r.finished_at is null or coalesce(r.row_count, 0) <> coalesce(sum(o.row_count), 0)
    or (new.status = 'done' and count(o.id) <> new.published + new.rejected + new.errored);
  if found or new.rows <> (select coalesce(sum(r.row_count), 0) from public.runs r where r.batch = new.id) then
    raise exception 'batch % ends with a run that is open, or lacks outcomes or rows', new.id
      using errcode = '23503', table = 'batches';
  end if;
  return null;
end $$;
create constraint trigger complete after update on batches deferrable initially deferred
  for each row when (old.finished_at is null and new.finished_at is not null) execute function guard_batch_end();

-- Publication ---------------------------------------------------------------------------------------------------------------

-- A batch record is published by the transaction that ends its batch and makes the record, when every run of the batch
-- has passed it. It is unchanged when the newest record of its source has its content. This stands for foreign keys to
-- and from the record, too.
create function prove_publication() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  select u.id, u.status into stray
  from updated u
  cross join lateral (select * from public.batches where id = u.batch offset 0) b
  left join lateral (select *, xmin from public.records where batch_record = coalesce(u.record, u.id) offset 0) r on true
  left join lateral (
    select o.source_id, o.content_digest, p.convention
    from (select batch, source_id, content_digest from public.batch_records where id = u.record offset 0) o
    cross join lateral (select convention from public.batches where id = o.batch offset 0) p) o on u.record is not null
  where u.status = 'published' and (
      r.batch_record is null or b.status <> 'done' or r.xmin <> pg_current_xact_id()::xid
      or exists (
        select from public.runs run
        where run.batch = u.batch and not exists (
          select from public.outcomes o where o.run = run.id and o.batch_record = u.id and o.status = 'passed')))
    or u.status = 'unchanged' and (
      r.batch_record is null
      or (o.convention, o.source_id, o.content_digest) is distinct from (b.convention, u.source_id, u.content_digest)
      or exists (select from public.records n where n.record_id = r.record_id and n.version = r.version + 1))
  limit 1;
  if found then
    raise exception 'batch record %, which is %: that is not what came of it', stray.id, stray.status
      using errcode = '23503', table = 'batch_records';
  end if;
  return null;
end $$;
create trigger prove_publication after update on batch_records referencing new table as updated
  for each statement execute function prove_publication();

-- A record is made by the statement that publishes its batch record: in the set of its convention and schema, under the
-- id of its source, as the version after the last one, which is of the same domain.
create function prove_records() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray bigint;
begin
  with entries as materialized (
    select i.*, b.batch, b.source_id from inserted i
    left join lateral (
      select batch, source_id from public.batch_records where id = i.batch_record and status = 'published' offset 0) b on true
  ), sets as materialized (
    select e.batch, e.record_set, s.convention, s.domain
    from (select distinct batch, record_set from entries) e
    cross join lateral (select * from public.record_sets where id = e.record_set offset 0) s
    cross join lateral (select convention, ingestion from public.batches where id = e.batch offset 0) b
    cross join lateral (select schema_id, schema_version from public.ingestions where id = b.ingestion offset 0) i
    where (b.convention, i.schema_id, i.schema_version) = (s.convention, s.schema_id, s.schema_version)
  )
  select e.batch_record into stray
  from entries e
  left join lateral (
    select convention, domain from sets where batch = e.batch and record_set = e.record_set offset 0) s on true
  left join lateral (
    select record_id from public.sources where convention = s.convention and source_id = e.source_id offset 0) n on true
  left join lateral (
    select record_set from public.records where record_id = e.record_id and version = e.version - 1 offset 0) p on true
  left join lateral (select domain from public.record_sets where id = p.record_set offset 0) l on true
  where n.record_id is distinct from e.record_id
    or (e.version > 1 and l.domain is distinct from s.domain)
  limit 1;
  if found then
    raise exception 'record of batch record %: no batch publishes it, or it does not follow the version before it', stray
      using errcode = '23503', table = 'records';
  end if;
  return null;
end $$;
create trigger prove after insert on records referencing new table as inserted
  for each statement execute function prove_records();

-- Rows ----------------------------------------------------------------------------------------------------------------------

-- Stands for a foreign key from each row to its outcome, proved once a statement: every (outcome_id, run_id)
-- exists, is this hook's, passed, has no more rows than it says, and was written by this very transaction, so that
-- a finished outcome never gains rows. (The one update of an outcome, which would renew its xmin, supersedes it.)
-- It is as good as a key because outcomes cannot be deleted, truncated or re-keyed.
create function prove_rows() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  select i.outcome_id, i.run_id into stray
  from (select outcome_id, run_id, max(ordinal) as last from inserted group by outcome_id, run_id) i
  left join lateral (select *, xmin from public.outcomes where id = i.outcome_id limit 1) o on true
  where not coalesce(
    o.run = i.run_id and o.hook = tg_table_name and o.status = 'passed'
      and i.last < o.row_count and o.superseded_by is null and o.xmin = pg_current_xact_id()::xid, false)
  limit 1;
  if found then
    raise exception 'rows of features.%: (outcome %, run %) is not a passed outcome of this hook and transaction',
      tg_table_name, stray.outcome_id, stray.run_id
      using errcode = '23503', schema = tg_table_schema, table = tg_table_name;
  end if;
  return null;
end $$;

create function column_type(json_type text, format text) returns text language sql immutable
  set search_path = pg_catalog, pg_temp as $$
  select case
    when json_type = 'string' then case format
      when 'date-time' then 'timestamp with time zone' when 'date' then 'date' when 'uuid' then 'uuid' else 'text' end
    when json_type = 'number' then 'double precision'
    when json_type = 'integer' then 'bigint'
    when json_type = 'boolean' then 'boolean'
    when json_type in ('array', 'object', 'any') then 'json'
  end
$$;

-- Makes features.<hook> and current.<hook> from the contract that is stored with the hook, never from arguments:
-- the application's role may call it and yet cannot make any table that no hook declares.
create function create_feature_table(hook_name text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  contract jsonb;
  columns jsonb;
  definitions text;
  names text;
begin
  select h.feature into strict contract from public.hooks h where h.name = hook_name;
  -- Where the contract has open_text, a string without a format is any JSON value.
  select coalesce(jsonb_agg(
      case when contract -> 'open_text' = 'true' and c ->> 'json_type' = 'string' and c ->> 'format' is null
        then c || '{"json_type": "any"}' else c end order by position), '[]')
    into columns
    from jsonb_array_elements(contract -> 'columns') with ordinality as declared (c, position);
  perform from pg_class c where c.oid = to_regclass(format('features.%I', hook_name)) and c.relkind = 'r';
  if found then
    return;
  end if;
  if exists (select from jsonb_array_elements(columns) c
             where c ->> 'name' ~ '^[a-z][a-z0-9_]{0,62}$' is not true
               or public.column_type(c ->> 'json_type', c ->> 'format') is null) then
    raise exception 'hook %: a column has a name or type that is not allowed', hook_name using errcode = '42602';
  end if;
  select coalesce(string_agg(format(', %I %s%s', c ->> 'name', public.column_type(c ->> 'json_type', c ->> 'format'),
           case when (c ->> 'required')::boolean then ' not null' else '' end), '' order by position), ''),
         coalesce(string_agg(format(', f.%I', c ->> 'name'), '' order by position), '')
    into definitions, names
    from jsonb_array_elements(columns) with ordinality as list (c, position);
  -- Sequence and indexes have names that no hook can have, since relations of a schema share their names.
  execute format('create table features.%1$I ('
    'id bigint generated always as identity (sequence name features.%2$I) constraint %3$I primary key, '
    'outcome_id bigint not null, run_id uuid not null, ordinal integer not null%4$s, '
    'constraint %5$I unique (outcome_id, ordinal)%6$s)',
    hook_name, hook_name || '$id', hook_name || '$key',
    case when contract ->> 'cardinality' = 'one' then ' check (ordinal = 0)' else ' check (ordinal >= 0)' end,
    hook_name || '$outcome', definitions);
  execute format('create trigger prove after insert on features.%I referencing new table as inserted '
    'for each statement execute function public.prove_rows()', hook_name);
  execute format('create trigger no_rewrite before update or delete or truncate on features.%I '
    'for each statement execute function public.refuse_rewrite()', hook_name);
  execute format('create view current.%1$I as select f.id, r.srn as record_srn, r.source_id as record_source_id, f.run_id, run.version as release%2$s '
    'from features.%1$I f '
    'join public.outcomes o on o.id = f.outcome_id and o.superseded_by is null '
    'join public.runs run on run.id = f.run_id '
    'join public.published r on r.batch_record = o.batch_record '
    'where not exists (select from public.records n where n.record_id = r.record_id and n.version > r.version)',
    hook_name, names);
end $$;

-- The rows of one published record, named by its batch record, over all hooks, `most` at most, so that one statement can answer for tables whose
-- names depend on the record. `columns` is the whole row as JSON, with the columns that osa adds. History is included;
-- the caller sees it by superseded_by.
create function rows_of_record(published bigint, most integer)
  returns table (hook text, outcome_id bigint, id bigint, ordinal integer, columns json)
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  found_hook text;
  found_rows integer;
begin
  for found_hook in
    select distinct o.hook
    from (select o.hook from public.outcomes o where o.batch_record = published and o.row_count > 0 offset 0) o
    order by 1
  loop
    return query execute format(
      'select %L::text, f.outcome_id, f.id, f.ordinal, row_to_json(f) '
      'from (select id from public.outcomes where batch_record = $1 and hook = %L offset 0) o '
      'cross join lateral (select * from features.%I where outcome_id = o.id order by ordinal limit $2) f '
      'order by f.id limit $2',
      found_hook, found_hook, found_hook)
      using published, most;
    get diagnostics found_rows = row_count;
    most := most - found_rows;
  end loop;
end $$;

-- Trail ---------------------------------------------------------------------------------------------------------------------

create table events (
  id bigint generated always as identity primary key,
  type text not null,
  payload jsonb not null,
  at timestamptz not null default now()
);

-- How often an actor was refused for want of a verb's scope, without a break of a day. The trail has the first refusals, and
-- then one each time the number doubles.
create table refusals (
  actor bigint not null references actors,
  verb text not null,
  count bigint not null default 1,
  last_at timestamptz not null default now(),
  primary key (actor, verb)
);

create table idempotency_keys (
  actor bigint not null references actors,
  key text not null,
  request_digest text not null,
  -- What the caller had to be allowed; a stored answer is given only to somebody who still is.
  rights text[] not null,
  response jsonb not null,
  at timestamptz not null default now(),
  primary key (actor, key)
);
create index on idempotency_keys (at);

-- Append-only, for everybody -------------------------------------------------------------------------------------------

do $$
declare
  name text;
begin
  foreach name in array array['actors', 'schemas', 'deploys', 'releases', 'release_sources', 'live_changes', 'files',
                              'batch_gates', 'record_sets', 'records', 'events', 'schema_owners'] loop
    execute format('create trigger no_rewrite before update or delete or truncate on %I '
      'for each statement execute function refuse_rewrite()', name);
  end loop;
  foreach name in array array['conventions', 'ingestions', 'batches', 'batch_records', 'runs', 'attempts',
                              'outcomes', 'sources'] loop
    execute format('create trigger no_delete before delete or truncate on %I '
      'for each statement execute function refuse_rewrite()', name);
  end loop;
end $$;
