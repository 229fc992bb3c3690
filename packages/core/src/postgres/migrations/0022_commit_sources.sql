-- A source without a remote names its commit as `git:<commit>`, which other programs shorten to 7 digits.

create or replace function names_commit(source_ref text, commit text) returns boolean language sql immutable
  set search_path = pg_catalog, pg_temp as $$
  select coalesce(starts_with(named, commit) or starts_with(commit, named), false)
  from (select coalesce(
    substring(source_ref from '@([0-9a-f]{12,64})(?:-dirty)?$'),
    substring(source_ref from '^git:([0-9a-f]{7,64})(?:-dirty)?$'))) as s (named)
$$;

-- Recalls that are open miss the releases of such sources; they join, as releases that are made later do.
insert into recall_releases (hook, version, recall)
select r.hook, r.version, c.id
from recalls c
cross join (
  select hook, version, source_ref from releases
  union select hook, version, source_ref from release_sources) r
where c.fact = 'commits' and is_recalled_source(c.id, r.source_ref)
  and not exists (select from recall_closings e where e.recall = c.id)
on conflict do nothing;
