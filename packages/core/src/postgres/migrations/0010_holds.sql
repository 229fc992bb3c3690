-- A deploy can hold its new releases: they go live once a comparison has shown that they change no more than is allowed.

alter table comparisons add unique (id, hook, version);

create table deploy_holds (
  deploy uuid not null references deploys,
  hook text not null,
  -- The release that is held.
  version integer not null,
  -- The move of the pointer that was the last one when the deploy began. The release goes live by the very next one, so a
  -- move that somebody makes meanwhile is never undone.
  live_seq integer not null,
  comparison uuid not null unique,
  -- The share of the compared records that may change, in percent.
  max_changed numeric not null check (max_changed between 0 and 100),
  -- The move that made the release live.
  activated_seq integer,
  primary key (deploy, hook),
  foreign key (hook, version) references releases (hook, version),
  foreign key (hook, live_seq) references live_changes (hook, seq),
  foreign key (comparison, hook, version) references comparisons (id, hook, version),
  foreign key (hook, activated_seq, version) references live_changes (hook, seq, to_version),
  check (activated_seq = live_seq + 1)
);
create index on deploy_holds (hook, version);

create trigger once before update on deploy_holds for each row when (
  old.activated_seq is not null
  or (new.deploy, new.hook, new.version, new.live_seq, new.comparison, new.max_changed)
    is distinct from (old.deploy, old.hook, old.version, old.live_seq, old.comparison, old.max_changed)
) execute function refuse_rewrite();
create trigger no_delete before delete or truncate on deploy_holds for each statement execute function refuse_rewrite();

-- A held release is activated only if its comparison has ended and is within the limit.
create function prove_activation() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.comparisons c
  where c.id = new.comparison and c.status = 'done'
    and (c.report ->> 'changed_records')::numeric * 100 <= new.max_changed * (c.report ->> 'records')::numeric;
  if not found then
    raise exception 'release % of % is held: its comparison is not within the limit', new.version, new.hook
      using errcode = '23503', table = 'deploy_holds';
  end if;
  return new;
end $$;
create trigger prove before insert or update on deploy_holds for each row when (new.activated_seq is not null)
  execute function prove_activation();

-- When the rows of a run became the current ones, if it computed published records again: by the clock, and under the lock
-- for publications, so that a reading as of a moment sees all of it or nothing. Rows of a new record are current once the
-- record is published.
alter table runs add column current_from timestamptz;

-- The newest such time of each convention. A reader who cannot wait for a commit that is under way reads as of the last one.
create table recompute_times (
  convention text primary key references conventions,
  at timestamptz not null
) with (fillfactor = 50);
create trigger once before update on recompute_times for each row
  when (new.convention is distinct from old.convention or new.at < old.at) execute function refuse_rewrite();
create trigger no_delete before delete or truncate on recompute_times for each statement execute function refuse_rewrite();

drop trigger once on runs;
create trigger once before update on runs for each row when (
  (new.id, new.batch, new.hook, new.version, new.created_at)
    is distinct from (old.id, old.batch, old.hook, old.version, old.created_at)
  or new.finished_at is null
  or old.current_from is not null
  or old.finished_at is not null and (
    new.current_from is null
    or to_jsonb(new) - 'current_from' is distinct from to_jsonb(old) - 'current_from')
) execute function refuse_rewrite();

-- It is said by the transaction that ends the run, and of nothing else.
create function guard_current_from() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.batches b
  where b.id = new.batch and b.recompute is not null and b.status = 'done' and b.xmin = pg_current_xact_id()::xid;
  if not found then
    raise exception 'run %: its rows do not become current by a recompute', new.id
      using errcode = '23503', table = 'runs';
  end if;
  return new;
end $$;
create trigger guard_current before update on runs for each row
  when (new.current_from is distinct from old.current_from) execute function guard_current_from();
