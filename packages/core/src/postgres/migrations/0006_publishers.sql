-- Trusted publishers: which jobs of which CI may have a token, and what the provider of the CI signed of each that had one.
--
--   publishers → actors                     a rule: claims of an OpenID provider → scopes; ended once, never changed
--   exchanges → publishers, actors          append-only: an ID token that was taken for a token of ours
--   deploys, releases → exchanges           what the provider signed of the job that made them

create table publishers (
  id uuid primary key,
  issuer text not null check (length(issuer) between 1 and 1000),
  -- Each claim with the text that it must have; a `*` at its end stands for any rest.
  claims jsonb not null check (jsonb_typeof(claims) = 'object' and claims <> '{}'),
  scopes text[] not null check (cardinality(scopes) between 1 and 100),
  actor bigint not null references actors,
  created_at timestamptz not null default now(),
  removed_at timestamptz,
  removed_by bigint references actors,
  check ((removed_at is null) = (removed_by is null))
);
create index on publishers (issuer) where removed_at is null;

create function guard_publisher() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if old.removed_at is not null or new.removed_at is null
     or (new.id, new.issuer, new.claims, new.scopes, new.actor, new.created_at)
        is distinct from (old.id, old.issuer, old.claims, old.scopes, old.actor, old.created_at) then
    raise exception 'publisher % may only be removed, and once', old.id using errcode = '42501', table = 'publishers';
  end if;
  return new;
end $$;
create trigger guard before update on publishers for each row execute function guard_publisher();
create trigger no_delete before delete or truncate on publishers for each statement execute function refuse_rewrite();

create table exchanges (
  -- The `jti` of the token that was given.
  id uuid primary key,
  publisher uuid not null references publishers,
  actor bigint not null references actors,
  -- SHA-256 of what the provider signed: an ID token is taken once.
  proof text not null unique check (proof ~ '^[0-9a-f]{64}$'),
  claims jsonb not null check (jsonb_typeof(claims) = 'object'),
  at timestamptz not null default now(),
  unique (id, actor)
);
create trigger no_rewrite before update or delete or truncate on exchanges
  for each statement execute function refuse_rewrite();

-- An exchange belongs to the actor that the row names, and its rule held when the token was given.
create function guard_exchange() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.publishers p where p.id = new.publisher and p.removed_at is null for share;
  if not found then
    raise exception 'exchange %: publisher % is removed', new.id, new.publisher
      using errcode = '23503', table = 'exchanges';
  end if;
  return new;
end $$;
create trigger guard before insert on exchanges for each row execute function guard_exchange();

-- The transaction of a request with such a token names its exchange; the key holds it to the actor of the row.
alter table deploys add column exchange uuid default nullif(current_setting('osa.exchange', true), '')::uuid;
alter table deploys add foreign key (exchange, actor) references exchanges (id, actor);
alter table releases add column exchange uuid default nullif(current_setting('osa.exchange', true), '')::uuid;
alter table releases add foreign key (exchange, built_by) references exchanges (id, actor);
