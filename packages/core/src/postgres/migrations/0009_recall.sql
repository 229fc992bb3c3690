-- Recalls: notices on what a fact of the supply chain selects. They can be read by everybody, and nothing takes them back:
-- closing one is another entry.
--
--   recalls → actors                        append-only: the fact, why, and what readers should do
--   recall_commits → recalls                append-only: the commits of the fact
--   recall_releases → recalls, releases     append-only: what the fact selects; proved, row by row
--   recall_records → recalls, records       append-only: the record of the fact
--   recall_closings → recalls, actors       append-only: one a recall
--   recomputes → recalls                    why the records are computed again

create table recalls (
  id uuid primary key,
  fact text not null check (fact in ('release', 'digest', 'commits', 'builder', 'deploy', 'record')),
  -- As it was asked for: hook@version, a digest, the range of commits, a subject, the id of a deploy, an SRN.
  asked text not null check (length(asked) between 1 and 1000),
  -- It selects releases with this digest, and runs on a platform of theirs that has it.
  digest text generated always as (case fact when 'digest' then asked end) stored
    check (digest ~ '^sha256:[0-9a-f]{64}$'),
  reason text not null check (reason ~ '\S' and length(reason) <= 2000),
  advice text check (advice ~ '\S' and length(advice) <= 2000),
  actor bigint not null references actors,
  opened_at timestamptz not null default clock_timestamp()
);
create index on recalls (digest) where digest is not null;

create table recall_commits (
  recall uuid not null references recalls,
  commit text not null check (commit ~ '^[0-9a-f]{12,64}$'),
  primary key (recall, commit)
);

create table recall_releases (
  hook text not null,
  version integer not null,
  recall uuid not null references recalls,
  primary key (hook, version, recall),
  foreign key (hook, version) references releases (hook, version)
);
create index on recall_releases (recall);

create table recall_records (
  batch_record bigint not null references records,
  recall uuid not null references recalls,
  primary key (batch_record, recall)
);
create index on recall_records (recall);

create table recall_closings (
  recall uuid primary key references recalls,
  reason text not null check (reason ~ '\S' and length(reason) <= 2000),
  actor bigint not null references actors,
  at timestamptz not null default clock_timestamp()
);

create trigger no_rewrite before update or delete or truncate on recalls
  for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on recall_commits
  for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on recall_releases
  for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on recall_records
  for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on recall_closings
  for each statement execute function refuse_rewrite();

-- Runs are selected by the platform that they ran on.
create index on attempts (platform_digest) where platform_digest is not null;

-- Whether a source names the commit, after its last `@`. Either may be shortened, to 12 digits or more.
create function names_commit(source_ref text, commit text) returns boolean language sql immutable
  set search_path = pg_catalog, pg_temp as $$
  select coalesce(starts_with(named, commit) or starts_with(commit, named), false)
  from (select substring(source_ref from '@([0-9a-f]{12,64})(?:-dirty)?$')) as s (named)
$$;

create function is_recalled_source(of_recall uuid, source_ref text) returns boolean language sql stable
  set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from public.recall_commits c
    where c.recall = of_recall and public.names_commit(is_recalled_source.source_ref, c.commit))
$$;

-- A recall names a release only where its fact selects it.
create function guard_recall_release() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  notice public.recalls;
  release public.releases;
begin
  select * into strict notice from public.recalls c where c.id = new.recall;
  select * into release from public.releases r where r.hook = new.hook and r.version = new.version;
  if not coalesce(case notice.fact
    when 'release' then notice.asked = new.hook || '@' || new.version
    when 'digest' then release.digest = notice.digest
    when 'commits' then public.is_recalled_source(new.recall, release.source_ref)
      or exists (select from public.release_sources s where s.hook = new.hook and s.version = new.version
                 and public.is_recalled_source(new.recall, s.source_ref))
    when 'builder' then release.built_at <= notice.opened_at
      and exists (select from public.actors a where a.id = release.built_by and a.subject = notice.asked)
    when 'deploy' then exists (
      select from public.deploys d, jsonb_array_elements(d.changes -> 'hooks') h
      where d.id::text = notice.asked and h ->> 'name' = new.hook and h ->> 'version' = new.version::text)
  end, false) then
    raise exception 'recall % does not select %@%', new.recall, new.hook, new.version
      using errcode = '23514', table = 'recall_releases';
  end if;
  return new;
end $$;
create trigger guard before insert on recall_releases for each row execute function guard_recall_release();

create function guard_recall_record() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from public.recalls c join public.published p on p.batch_record = new.batch_record
                 where c.id = new.recall and c.fact = 'record' and c.asked = p.srn) then
    raise exception 'recall % does not select the record %', new.recall, new.batch_record
      using errcode = '23514', table = 'recall_records';
  end if;
  return new;
end $$;
create trigger guard before insert on recall_records for each row execute function guard_recall_record();

-- A recall that selects nothing would be a notice that nobody can see. Its commits are stored with it.
create function guard_recall() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from public.recall_releases t where t.recall = new.id)
     and not exists (select from public.recall_records t where t.recall = new.id)
     and not exists (select from public.attempts a where a.platform_digest = new.digest) then
    raise exception 'recall % selects nothing', new.id using errcode = '23514', table = 'recalls';
  end if;
  return null;
end $$;
create constraint trigger selects after insert on recalls deferrable initially deferred
  for each row execute function guard_recall();

create function guard_recall_commit() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from public.recalls c where c.id = new.recall and c.fact = 'commits'
                 and c.xmin = pg_current_xact_id()::xid) then
    raise exception 'recall %: its commits are stored when it is opened', new.recall
      using errcode = '42501', table = 'recall_commits';
  end if;
  return new;
end $$;
create trigger guard before insert on recall_commits for each row execute function guard_recall_commit();

-- Releases that are made later join the open recalls of their digest or their commit. Recalls are opened under the same
-- lock, so of a release and a recall at one time, one sees the other.
create function follow_recalls() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  made public.releases;
begin
  perform pg_advisory_xact_lock_shared(hashtext('osa.recalls'), 0);
  if not exists (select from public.recalls) then
    return null;
  end if;
  select * into made from public.releases r where r.hook = new.hook and r.version = new.version;
  insert into public.recall_releases (hook, version, recall)
  select made.hook, made.version, c.id from public.recalls c
  where not exists (select from public.recall_closings e where e.recall = c.id)
    and case c.fact
      when 'digest' then c.digest = made.digest
      when 'commits' then public.is_recalled_source(c.id, new.source_ref)
      when 'builder' then made.built_at <= c.opened_at
        and exists (select from public.actors a where a.id = made.built_by and a.subject = c.asked)
      else false end
  on conflict do nothing;
  return null;
end $$;
create trigger follow after insert on releases for each row execute function follow_recalls();
create trigger follow after insert on release_sources for each row execute function follow_recalls();

-- What open recalls say, each found by its key.
create view open_recalls as
  select c.* from recalls c where not exists (select from recall_closings e where e.recall = c.id);
create view recalled_releases as
  select t.hook, t.version, c.id, c.reason from recall_releases t join open_recalls c on c.id = t.recall;
create view recalled_records as
  select t.batch_record, c.id, c.reason from recall_records t join open_recalls c on c.id = t.recall;
create view recalled_runs as
  select a.run, c.id, c.reason from attempts a join open_recalls c on c.digest = a.platform_digest;

-- A recompute of what is recalled: its releases, or the records of a list, are those of the recall.
alter table recomputes add column recall uuid references recalls;
create index on recomputes (recall) where recall is not null;
create trigger once_recalled before update on recomputes
  for each row when (new.recall is distinct from old.recall) execute function refuse_rewrite();

create function guard_recalled_recompute() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  stray integer;
begin
  select v into stray from unnest(new.releases) v
  where not exists (select from public.recall_releases t
                    where t.hook = new.hook and t.version = v and t.recall = new.recall)
    and not exists (
      select from public.recalls c
      cross join lateral (select run from public.attempts where platform_digest = c.digest offset 0) a
      cross join lateral (select hook, version from public.runs where id = a.run offset 0) r
      where c.id = new.recall and r.hook = new.hook and r.version = v)
    and not exists (select from public.recall_records t where t.recall = new.recall and new.is_list)
  limit 1;
  if found then
    raise exception 'recall % does not select %@%', new.recall, new.hook, stray
      using errcode = '23514', table = 'recomputes';
  end if;
  return new;
end $$;
create trigger guard_recalled before insert on recomputes
  for each row when (new.recall is not null) execute function guard_recalled_recompute();

-- Views for people ------------------------------------------------------------------------------------------------------

-- Makes the view current.<hook> from the stored contract. `_recalled` holds the notices on a row, null where there are none.
create function create_current_view(hook_name text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  names text;
begin
  select coalesce((
      select string_agg(format(', f.%I', c ->> 'name'), '' order by position)
      from jsonb_array_elements(h.feature -> 'columns') with ordinality as list (c, position)), '')
    into strict names from public.hooks h where h.name = hook_name;
  execute format('create or replace view current.%1$I as select f.id, r.srn as record_srn, r.source_id as record_source_id, f.run_id, run.version as release%2$s, '
    'case when exists (select from public.recalls) then ('
    'select jsonb_agg(jsonb_build_object(''id'', c.id, ''reason'', c.reason) order by c.id) from ('
    'select id, reason from public.recalled_releases where hook = run.hook and version = run.version '
    'union select id, reason from public.recalled_records where batch_record = o.batch_record '
    'union select id, reason from public.recalled_runs where run = f.run_id) c) end as _recalled '
    'from features.%1$I f '
    'join public.outcomes o on o.id = f.outcome_id and o.superseded_by is null '
    'join public.runs run on run.id = f.run_id '
    'join public.published r on r.batch_record = o.batch_record '
    'where not exists (select from public.records n where n.record_id = r.record_id and n.version > r.version)',
    hook_name, names);
end $$;

create or replace function create_feature_table(hook_name text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  contract jsonb;
  columns jsonb;
  definitions text;
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
           case when (c ->> 'required')::boolean then ' not null' else '' end), '' order by position), '')
    into definitions
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
  perform public.create_current_view(hook_name);
end $$;

select create_current_view(name) from hooks;
