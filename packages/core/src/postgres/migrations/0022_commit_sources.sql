-- A release is built from one commit. Later deploys that declare it unchanged record their commits as further sources: they
-- hold its bytes, and did not make them, so a recall of those commits does not select it.

-- The commit that a source names: after its last `@`, or after `git:` where there is no remote. Other programs shorten the
-- latter to 7 digits.
create or replace function commit_in(source_ref text) returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(
    substring(source_ref from '@([0-9a-f]{12,64})(?:-dirty)?$'),
    substring(source_ref from '^git:([0-9a-f]{7,64})(?:-dirty)?$'))
$$;

create or replace function names_commit(source_ref text, commit text) returns boolean language sql immutable
  set search_path = pg_catalog, pg_temp as $$
  select coalesce(starts_with(named, commit) or starts_with(commit, named), false)
  from (select public.commit_in(source_ref)) as s (named)
$$;

-- The first commit that holds the bytes of a release which was made from none, or from a dirty tree; null for other releases.
create or replace function committed_source(of_hook text, of_version integer) returns text language sql stable
  set search_path = pg_catalog, pg_temp as $$
  select s.source_ref
  from (select source_ref from public.releases where hook = of_hook and version = of_version offset 0) r
  cross join lateral (
    select source_ref from public.release_sources
    where hook = of_hook and version = of_version
      and public.commit_in(source_ref) is not null and source_ref !~ '-dirty$'
    order by at, source_ref collate "C" limit 1) s
  where public.commit_in(r.source_ref) is null or r.source_ref ~ '-dirty$'
$$;

create or replace function guard_recall_release() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp as $$
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
      or public.is_recalled_source(new.recall, public.committed_source(new.hook, new.version))
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

create or replace function follow_recalls() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
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
      when 'commits' then public.is_recalled_source(c.id, made.source_ref)
        or public.is_recalled_source(c.id, public.committed_source(made.hook, made.version))
      when 'builder' then made.built_at <= c.opened_at
        and exists (select from public.actors a where a.id = made.built_by and a.subject = c.asked)
      else false end
  on conflict do nothing;
  return null;
end $$;

-- Open recalls miss the releases whose source is `git:<commit>`. They join, as releases that are made later do.
insert into recall_releases (hook, version, recall)
select r.hook, r.version, c.id
from recalls c
cross join releases r
where c.fact = 'commits'
  and (is_recalled_source(c.id, r.source_ref) or is_recalled_source(c.id, committed_source(r.hook, r.version)))
  and not exists (select from recall_closings e where e.recall = c.id)
on conflict do nothing;
