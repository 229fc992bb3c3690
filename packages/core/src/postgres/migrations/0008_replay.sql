-- Replays: results that are published are computed once more, by the release of their own run, and compared bit for bit with
-- what is stored. Only certificates come of it: a row needs an outcome, an outcome a run, and a run a batch, which is of an
-- ingestion or a recompute. No table of these refers to a replay.
--
--   replays → actors                        what was asked for
--   replay_parts → replays, runs            the queue: the results of one run, or some of them
--   replay_outcomes → replay_parts          which results
--   replay_certificates → replay_parts, replay_outcomes
--                                           append-only: what came of each, and of a whole run

create table replays (
  id uuid primary key,
  kind text not null check (kind in ('rows', 'run', 'sample')),
  -- Of a sample: of which hook and release, where it is not of all; how many results are drawn, and how.
  hook text references hooks,
  version integer,
  sample integer check (sample >= 1),
  seed text,
  reason text,
  actor bigint not null references actors,
  created_at timestamptz not null default clock_timestamp(),
  foreign key (hook, version) references releases (hook, version),
  check (version is null or hook is not null),
  check ((kind = 'sample') = (sample is not null)),
  check ((kind = 'sample') = (seed is not null)),
  check (kind = 'sample' or hook is null)
);
create index on replays (hook, id desc);

create table replay_parts (
  id uuid primary key,
  replay uuid not null references replays,
  -- The first parts of all replays come before the second ones, so that a long replay holds up no short one.
  position integer not null check (position >= 0),
  run uuid not null references runs,
  -- Whether it is the run as a whole, whose output is compared, too.
  whole boolean not null,
  status text not null default 'queued' check (status in ('queued', 'running', 'done')),
  fence bigint not null default 0,
  claimed_by text,
  lease_until timestamptz,
  available_at timestamptz not null default clock_timestamp(),
  -- How often it could not be started, and why at last; how often a worker was lost with it.
  failures integer not null default 0 check (failures >= 0),
  reason text,
  lost integer not null default 0 check (lost >= 0),
  finished_at timestamptz,
  unique (replay, run),
  unique (replay, position),
  unique (id, run),
  check ((status = 'running') = (lease_until is not null)),
  check ((status = 'done') = (finished_at is not null))
);
create index replay_parts_open on replay_parts (position, id) where finished_at is null;
create index on replay_parts (replay) where finished_at is null;

create table replay_outcomes (
  part uuid not null references replay_parts,
  outcome bigint not null references outcomes,
  primary key (part, outcome)
);

create table replay_certificates (
  id bigint generated always as identity primary key,
  part uuid not null,
  run uuid not null,
  -- The result that it is about; without one, the whole output of the run.
  outcome bigint,
  verdict text not null check (verdict in ('identical', 'differs', 'cannot')),
  -- Why it could not be replayed, or which other outcome it had.
  reason text,
  -- What ran it: an engine, for which architecture, and which code the engine says that it ran.
  engine text,
  architecture text,
  resolved_digest text,
  platform_digest text,
  -- SHA-256 over what is stored and over what was made; docs/replay.md says how.
  stored_digest text check (stored_digest ~ '^[0-9a-f]{64}$'),
  made_digest text check (made_digest ~ '^[0-9a-f]{64}$'),
  -- The rows that differ, by their ordinals; all of them, where there are none.
  differing integer[],
  -- The columns in which they differ, and the first values that do.
  columns text[] not null default '{}',
  examples jsonb not null default '[]' check (jsonb_typeof(examples) = 'array'),
  at timestamptz not null default clock_timestamp(),
  unique nulls not distinct (part, outcome),
  foreign key (part, run) references replay_parts (id, run),
  foreign key (part, outcome) references replay_outcomes (part, outcome),
  check (case verdict
    when 'identical' then stored_digest is not null and made_digest is not null and stored_digest = made_digest
    when 'differs' then stored_digest is not null and made_digest is distinct from stored_digest
    else made_digest is null and reason is not null end),
  check (verdict = 'cannot' or num_nulls(engine, architecture, resolved_digest) = 0),
  check (verdict = 'differs' or differing is null and columns = '{}' and examples = '[]')
);
create index on replay_certificates (outcome, id desc) where outcome is not null;
create index on replay_certificates (run, id desc) where outcome is null;

create trigger no_rewrite before update or delete or truncate on replays
  for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on replay_outcomes
  for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on replay_certificates
  for each statement execute function refuse_rewrite();
create trigger no_delete before delete or truncate on replay_parts
  for each statement execute function refuse_rewrite();
-- A part ends once. Each claim raises the fence, and only a claim does.
create trigger once before update on replay_parts for each row when (
  old.finished_at is not null
  or (new.id, new.replay, new.position, new.run, new.whole) is distinct from
     (old.id, old.replay, old.position, old.run, old.whole)
  or new.fence not in (old.fence, old.fence + 1)
  or (new.status = 'done' and (old.status <> 'running' or new.fence <> old.fence))
) execute function refuse_rewrite();

-- What is replayed is published, and of the run that the part names. Results are named when the part is made.
create function prove_replay_outcomes() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray record;
begin
  select i.part, i.outcome into stray
  from inserted i
  left join lateral (select *, xmin from public.replay_parts where id = i.part offset 0) p on true
  left join lateral (select run, status, batch_record from public.outcomes where id = i.outcome offset 0) o on true
  left join lateral (select batch_record from public.records where batch_record = o.batch_record offset 0) r on true
  where p.xmin is distinct from pg_current_xact_id()::xid or p.fence <> 0
    or o.run is distinct from p.run or o.status = 'errored' or r.batch_record is null
  limit 1;
  if found then
    raise exception 'replay part % does not take outcome %', stray.part, stray.outcome
      using errcode = '23503', table = 'replay_outcomes';
  end if;
  return null;
end $$;
create trigger prove after insert on replay_outcomes referencing new table as inserted
  for each statement execute function prove_replay_outcomes();

-- A certificate is written by the transaction that ends its part. What it says ran is the release of the run, and what it
-- says was stored of a run is the output of that run.
create function prove_replay_certificates() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  stray uuid;
begin
  select i.part into stray
  from (select part, resolved_digest, verdict <> 'cannot' as ran, outcome is null as whole,
               case when outcome is null then stored_digest end as stored
        from inserted group by 1, 2, 3, 4, 5) i
  left join lateral (select *, xmin from public.replay_parts where id = i.part offset 0) p on true
  left join lateral (select hook, version, output_digest from public.runs where id = p.run offset 0) r on true
  left join lateral (select digest from public.releases where hook = r.hook and version = r.version offset 0) l on true
  where p.status is distinct from 'done' or p.xmin is distinct from pg_current_xact_id()::xid
    or (i.ran and i.resolved_digest is distinct from l.digest)
    or (i.whole and (not p.whole or i.ran and i.stored is distinct from r.output_digest))
  limit 1;
  if found then
    raise exception 'replay part %: the certificate is not of its end, or of other code or output', stray
      using errcode = '23503', table = 'replay_certificates';
  end if;
  return null;
end $$;
create trigger prove after insert on replay_certificates referencing new table as inserted
  for each statement execute function prove_replay_certificates();

-- A part ends with a certificate for each of its results, and one for the run where it is whole.
create function guard_replay_end() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  if (select count(*) from public.replay_certificates where part = new.id)
     <> (select count(*) from public.replay_outcomes where part = new.id) + new.whole::integer then
    raise exception 'replay part % ends without a certificate for each of its results', new.id
      using errcode = '23503', table = 'replay_parts';
  end if;
  return null;
end $$;
create constraint trigger complete after update on replay_parts deferrable initially deferred
  for each row when (old.finished_at is null and new.finished_at is not null) execute function guard_replay_end();
