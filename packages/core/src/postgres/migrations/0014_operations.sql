-- What grows without end and is no history may go by age, by `osad prune` and by nobody else: the logs of attempts that
-- ended, and the notices among the events. And where the work of an upload is followed to.
--
--   prunings                                append-only: what was removed, up to which age, by whom

-- The role of the application has no right to this column, so only the owner of the database removes a log. That it was
-- there stays said, and how long it was.
alter table attempts add column log_pruned_at timestamptz;
alter table attempts add check (log_pruned_at is null or (log is null and finished_at is not null));

drop trigger once on attempts;
-- An attempt ends once. A day later or more, its log may go, once; nothing else of it changes then.
create trigger once before update on attempts for each row when (
  case when new.log_pruned_at is null or old.log_pruned_at is not null then
    old.finished_at is not null or new.finished_at is null or new.log_pruned_at is distinct from old.log_pruned_at
    or (new.run, new.n, new.fence, new.memory_bytes, new.runner, new.started_at)
      is distinct from (old.run, old.n, old.fence, old.memory_bytes, old.runner, old.started_at)
  else
    old.log is null or new.log is not null or new.log_pruned_at <> now()
    or coalesce(old.finished_at > now() - interval '1 day', true)
    or (new.run, new.n, new.fence, new.memory_bytes, new.runner, new.resolved_digest, new.platform_digest, new.started_at,
        new.finished_at, new.ending, new.exit_code, new.exit_signal, new.detail, new.log_bytes)
      is distinct from
       (old.run, old.n, old.fence, old.memory_bytes, old.runner, old.resolved_digest, old.platform_digest, old.started_at,
        old.finished_at, old.ending, old.exit_code, old.exit_signal, old.detail, old.log_bytes)
  end
) execute function refuse_rewrite();

create table prunings (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('logs', 'events', 'answers')),
  -- What is younger was kept.
  before timestamptz not null,
  count bigint not null check (count > 0),
  -- Of logs.
  bytes bigint check ((kind = 'logs') = (bytes is not null)),
  -- The place of the last event that went.
  last_seq bigint check ((kind = 'events') = (last_seq is not null)),
  role text not null default session_user,
  at timestamptz not null default now()
);
create index on prunings (last_seq) where last_seq is not null;
create trigger no_rewrite before update or delete or truncate on prunings
  for each statement execute function refuse_rewrite();

-- Two types of events are notices: the end of a batch, which its batch and runs say too, and the acceptance of a request,
-- whose effect is an event of its own. All others are the trail of who did what, and stay.
drop trigger no_rewrite on events;
drop trigger no_rewrite on event_order;
create trigger no_rewrite before update or truncate on events for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or truncate on event_order for each statement execute function refuse_rewrite();

create function is_notice(event_type text) returns boolean language sql immutable parallel safe
  set search_path = pg_catalog, pg_temp as $$ select event_type in ('batch.finished', 'request.accepted') $$;

-- A notice goes when it is a day old or more, has its place, and every service that events are delivered to has had it.
-- The last place stays, since the next one follows from it.
create function guard_pruning() returns trigger language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  may_go boolean := coalesce(current_setting('osa.pruning', true), '') = 'events';
begin
  if may_go and tg_level = 'ROW' and tg_table_name = 'event_order' then
    may_go := old.seq < (select max(o.seq) from public.event_order o)
      and not exists (select from public.deliveries d where d.seq < old.seq)
      and (select public.is_notice(e.type) and e.at < now() - interval '1 day' from public.events e where e.id = old.event);
  elsif may_go and tg_level = 'ROW' then
    may_go := public.is_notice(old.type) and old.at < now() - interval '1 day'
      and not exists (select from public.event_arrivals a where a.event = old.id);
  end if;
  if not coalesce(may_go, false) then
    raise exception '% of % is refused: only osad prune removes old notices', lower(tg_op), tg_table_name
      using errcode = '42501', table = tg_table_name, schema = tg_table_schema;
  end if;
  return old;
end $$;
create trigger guard before delete on events for each statement execute function guard_pruning();
create trigger guard_each before delete on events for each row execute function guard_pruning();
create trigger guard before delete on event_order for each statement execute function guard_pruning();
create trigger guard_each before delete on event_order for each row execute function guard_pruning();

-- The span of the request that an ingestion or a recompute came from (W3C Trace Context), which the work on its batches
-- belongs to.
alter table ingestions add column traceparent text check (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');
alter table recomputes add column traceparent text check (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');
