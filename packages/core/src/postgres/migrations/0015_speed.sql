-- Functions that make of several round trips one.

-- All that is stored of what a declaration names, as of one moment: the convention, the owner of the schema's id, the
-- schema, the hooks (`named`, each with the fingerprint of its declared release, which is `known` if it was made), and
-- which packed directories are there. A hook's live release is shown where it is another one than the known one.
create function declared_state(of_slug text, of_schema text, of_version text, named text[], prints text[], blobs text[])
  returns jsonb language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return jsonb_build_object(
    'convention', (
      select jsonb_build_object('slug', c.slug, 'title', c.title, 'description', c.description,
        'schema', jsonb_build_object('id', c.schema_id, 'version', c.schema_version),
        'file_requirements', c.file_requirements, 'curation', c.curation, 'approve_own', c.approve_own,
        'license', c.license, 'docs', c.docs, 'ingester', c.ingester,
        'hooks', array(select hook from public.convention_hooks where slug = c.slug order by position))
      from public.conventions c where c.slug = of_slug),
    'schema_owner', (select owner from public.schema_owners where id = of_schema),
    'schema', (
      select jsonb_build_object('fields', fields, 'openText', open_text)
      from public.schemas where id = of_schema and version = of_version),
    'hooks', coalesce((
      select jsonb_agg(jsonb_build_object('name', h.name, 'owner', h.owner, 'feature', h.feature,
        'releaseCount', h.release_count, 'liveSeq', h.live_seq, 'liveVersion', h.live_version,
        'isPaused', h.paused_at is not null, 'known', known.release, 'live',
        case when (known.release ->> 'version')::integer is distinct from h.live_version then (
          select jsonb_build_object('version', version, 'runtime', runtime, 'image', image, 'digest', digest,
            'command', command, 'config', config, 'limits', limits, 'source_ref', source_ref)
          from public.releases where hook = h.name and version = h.live_version) end) order by h.name collate "C")
      from unnest(named, prints) as d (hook, print)
      cross join lateral (select * from public.hooks where name = d.hook offset 0) h
      cross join lateral (select (
        select jsonb_build_object('version', r.version, 'source_ref', r.source_ref, 'once_live', exists (
          select from public.live_changes where hook = d.hook and to_version = r.version))
        from public.releases r where r.hook = d.hook and r.fingerprint = d.print) as release) known), '[]'),
    'blobs', array(
      select blob from unnest(blobs) as b (blob) where exists (select from public.files where sha256 = b.blob)));
end $$;

-- Makes what a declaration names and is missing: its convention, its hooks, and the id of its schema for the convention.
-- Locks the convention and the hooks, in name order, against claims, releases and other deploys. Gives what is stored then;
-- each statement sees what the one before it has waited for. `was_there` is false for a convention that this call made, and
-- `made` names such hooks.
create function lock_declared(of_slug text, declared jsonb, named text[], prints text[], blobs text[])
  returns jsonb language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  was_there boolean;
  made text[];
begin
  -- The schema need not exist yet: its foreign key is checked at the commit.
  insert into public.conventions (slug, title, description, schema_id, schema_version, file_requirements)
  values (of_slug, declared ->> 'title', declared ->> 'description', declared #>> '{schema,id}',
          declared #>> '{schema,version}', declared -> 'file_requirements')
  on conflict (slug) do nothing;
  was_there := not found;
  if was_there then
    perform from public.conventions where slug = of_slug for no key update;
  end if;
  with inserted as (
    insert into public.hooks (name, owner, feature)
    select h ->> 'name', of_slug, h -> 'feature' from jsonb_array_elements(declared -> 'hooks') h
    order by (h ->> 'name') collate "C"
    on conflict (name) do nothing returning name)
  select array_agg(name) into made from inserted;
  perform from public.hooks where name = any (named) order by name collate "C" for no key update;
  insert into public.schema_owners (id, owner) values (declared #>> '{schema,id}', of_slug) on conflict (id) do nothing;
  return public.declared_state(of_slug, declared #>> '{schema,id}', declared #>> '{schema,version}', named, prints, blobs)
    || jsonb_build_object('was_there', was_there, 'made', coalesce(made, '{}'));
end $$;

-- Mints the version after a hook's last, all in one call, so that other clients wait for its commit and nothing else.
-- Parts of the release may have been carried over from the version that the caller had `seen` live before anything was
-- locked. Where another one is live by now and does not say the same, nothing is done, and the outcome is `moved`.
-- Nothing is done either for `stranger` (an actor who was never seen), `unknown` (no such hook), `unexpected` (the
-- pointer is not where it is expected), `missing` (the packed directory is not stored), `unsourced` (a new release, whose
-- code comes from nobody knows where) and `known` (this very release is there, and comes back; its source is noted). `told`,
-- where given, goes to the outbox with the version, and so does `accepted` for a release that is minted or known.
-- Under a `by_key` that was used within a day the outcome is `answered`, with what was stored, or `mismatch` for another
-- `by_request`; `in_progress` while a first request with the key is under way. A release that is minted or known is stored
-- under the key, with the rights that the caller needed.
drop function mint_release;
create function mint_release(
  wanted text, seen integer, carries_digest boolean, seen_releases integer, expected_seq integer, expected_version integer,
  new_id uuid, new_runtime text, new_image text, new_digest text, new_command jsonb, new_config jsonb, new_limits jsonb,
  new_fingerprint text, new_source_ref text, by_issuer text, by_subject text, goes_live boolean, why text,
  told jsonb, accepted jsonb, by_key text, by_request text, by_rights text[],
  out outcome text, out version integer, out id uuid, out source_ref text, out built_at timestamptz,
  out live_seq integer, out live_version integer, out answer jsonb, out rights text[])
  language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  hook public.hooks;
  who bigint := (select a.id from public.actors a where a.issuer = by_issuer and a.subject = by_subject);
  earlier public.idempotency_keys;
begin
  if who is null then
    mint_release.outcome := 'stranger';
    return;
  end if;
  if by_key is not null then
    if not pg_try_advisory_xact_lock(hashtextextended(who || ' ' || by_key, 0)) then
      mint_release.outcome := 'in_progress';
      return;
    end if;
    select * into earlier from public.idempotency_keys k where k.actor = who and k.key = by_key;
    if earlier.at > now() - interval '24 hours' then
      mint_release.outcome := case when earlier.request_digest = by_request then 'answered' else 'mismatch' end;
      mint_release.answer := earlier.response;
      mint_release.rights := earlier.rights;
      return;
    end if;
  end if;
  select * into hook from public.hooks h where h.name = wanted for no key update;
  mint_release.live_seq := hook.live_seq;
  mint_release.live_version := hook.live_version;
  mint_release.outcome := case
    when hook.name is null then 'unknown'
    when hook.live_seq is distinct from coalesce(expected_seq, hook.live_seq)
      or hook.live_version is distinct from coalesce(expected_version, hook.live_version) then 'unexpected'
    when hook.live_version is distinct from seen and not exists (
      select from public.releases a, public.releases b
      where a.hook = wanted and a.version = seen and b.hook = wanted and b.version = hook.live_version
        and (a.runtime, a.image, a.command, a.config, a.limits)
            is not distinct from (b.runtime, b.image, b.command, b.config, b.limits)
        -- The source belongs to the code: that of other code was not carried over.
        and (a.source_ref = b.source_ref or a.digest <> new_digest)
        and (a.digest = b.digest or not carries_digest)) then 'moved'
    -- It may be the release that the request means.
    when hook.release_count > seen_releases and exists (
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
  else
    mint_release.outcome := case
      when new_runtime = 'directory'
        and not exists (select from public.files f where f.sha256 = substr(new_digest, 8)) then 'missing'
      when new_source_ref is null then 'unsourced'
    end;
    if mint_release.outcome is not null then
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
      values (new_id, wanted, mint_release.version, new_runtime, new_image, new_digest, new_command, new_config,
              new_limits, new_fingerprint, new_source_ref, who)
      returning id, source_ref, built_at into mint_release.id, mint_release.source_ref, mint_release.built_at;
    if goes_live then
      insert into public.live_changes (hook, seq, from_version, to_version, kind, reason, actor)
        values (wanted, mint_release.live_seq, hook.live_version, mint_release.version, 'release', why, who);
    end if;
    if told is not null then
      insert into public.events (type, payload)
        values ('hook.released', told || jsonb_build_object('version', mint_release.version, 'actor', who));
    end if;
  end if;
  if accepted is not null then
    insert into public.events (type, payload) values ('request.accepted', accepted || jsonb_build_object('actor', who));
  end if;
  if by_key is not null then
    if earlier.key is not null then
      delete from public.idempotency_keys k where k.actor = who and k.key = by_key;
    end if;
    insert into public.idempotency_keys (actor, key, request_digest, rights, response)
      values (who, by_key, by_request, by_rights, jsonb_build_object('hook_name', wanted, 'digest', new_digest,
        'version', mint_release.version, 'id', mint_release.id, 'source_ref', mint_release.source_ref,
        'built_at', replace(to_jsonb(mint_release.built_at) #>> '{}', '+00:00', 'Z'),
        'live', mint_release.version is not distinct from mint_release.live_version,
        'is_live', mint_release.version is not distinct from mint_release.live_version,
        'live_seq', mint_release.live_seq, 'live_version', mint_release.live_version,
        'created', mint_release.outcome = 'minted'));
  end if;
end $$;
