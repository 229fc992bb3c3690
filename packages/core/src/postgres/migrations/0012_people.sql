-- People who log in through an OpenID provider, and the tokens that keep them logged in.
--
--   people                                  who the provider says somebody is, with the id that roles are given to
--   logins → people                         a login under way: a program asks, a person answers in a browser; deleted once it is over
--   sessions → people                       from a login to its end; ended once
--   upload_use → actors                     what each actor has sent of files on a day
--   refresh_tokens → sessions               a chain of which one token is unused; only hashes are stored

-- How much each actor has sent of files on a day, so that nobody can fill the disk.
create table upload_use (
  actor bigint not null references actors,
  day date not null,
  bytes bigint not null check (bytes >= 0),
  primary key (actor, day)
);

create table people (
  -- The subject of the person's tokens, and the `user_id` of roles.
  id uuid primary key,
  issuer text not null check (length(issuer) between 1 and 1000),
  subject text not null check (octet_length(subject) between 1 and 255),
  -- For display only: the provider may change it.
  name text check (octet_length(name) between 1 and 255),
  first_seen_at timestamptz not null default now(),
  unique (issuer, subject)
);

create function guard_person() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.id, new.issuer, new.subject, new.first_seen_at)
     is distinct from (old.id, old.issuer, old.subject, old.first_seen_at) then
    raise exception 'only the name of person % may change', old.id using errcode = '42501', table = 'people';
  end if;
  return new;
end $$;
create trigger guard before update on people for each row execute function guard_person();
create trigger no_delete before delete or truncate on people for each statement execute function refuse_rewrite();

create table logins (
  id uuid primary key,
  -- SHA-256 of the code that the program keeps.
  device_hash text not null unique check (device_hash ~ '^[0-9a-f]{64}$'),
  -- The code that the person types or compares.
  user_code text not null unique check (user_code ~ '^[BCDFGHJKLMNPQRSTVWXZ2346789]{8}$'),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null check (expires_at > created_at),
  polled_at timestamptz,
  -- SHA-256 of the secret of the browser that entered the code last.
  browser_hash text unique check (browser_hash ~ '^[0-9a-f]{64}$'),
  -- When the provider's answer came to that browser: it is taken once.
  answered_at timestamptz,
  person uuid references people,
  allowed boolean,
  taken_at timestamptz,
  check (answered_at is null or browser_hash is not null),
  check (person is null or answered_at is not null),
  check (allowed is null or person is not null),
  check (taken_at is null or allowed is true)
);
create index on logins (expires_at);

-- Once it is known who answers, neither the person nor the browser can be exchanged for another one.
create function guard_login() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.id, new.device_hash, new.user_code, new.created_at, new.expires_at)
       is distinct from (old.id, old.device_hash, old.user_code, old.created_at, old.expires_at)
     or (old.person is not null and (new.person, new.browser_hash, new.answered_at)
       is distinct from (old.person, old.browser_hash, old.answered_at))
     or (old.allowed is not null and new.allowed is distinct from old.allowed)
     or (old.taken_at is not null and new.taken_at is distinct from old.taken_at) then
    raise exception 'login %: who answered it, and how, is said once', old.id using errcode = '42501', table = 'logins';
  end if;
  return new;
end $$;
create trigger guard before update on logins for each row execute function guard_login();

create table sessions (
  id uuid primary key,
  person uuid not null references people,
  -- The login that began it; a login begins one.
  login uuid not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null check (expires_at > created_at),
  ended_at timestamptz,
  end_reason text check (end_reason in ('logout', 'reuse', 'replaced')),
  check ((ended_at is null) = (end_reason is null))
);
create index on sessions (person, created_at) where ended_at is null;

create function guard_session() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if old.ended_at is not null or new.ended_at is null
     or (new.id, new.person, new.login, new.created_at, new.expires_at)
        is distinct from (old.id, old.person, old.login, old.created_at, old.expires_at) then
    raise exception 'session % may only be ended, and once', old.id using errcode = '42501', table = 'sessions';
  end if;
  return new;
end $$;
create trigger guard before update on sessions for each row execute function guard_session();
create trigger no_delete before delete or truncate on sessions for each statement execute function refuse_rewrite();

-- A session is the person's who allowed its login.
create function prove_session() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from public.logins l
    where l.id = new.login and l.person = new.person and l.allowed and l.taken_at is not null;
  if not found then
    raise exception 'session %: no login of this person allows it', new.id using errcode = '23503', table = 'sessions';
  end if;
  return new;
end $$;
create trigger prove before insert on sessions for each row execute function prove_session();

create table refresh_tokens (
  -- The `jti` of the access token that was given with it.
  id uuid primary key,
  session uuid not null references sessions,
  hash text not null unique check (hash ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null check (expires_at > created_at),
  used_at timestamptz
);
-- The others are used: whoever sends one of those has a copy.
create unique index on refresh_tokens (session) where used_at is null;
create index on refresh_tokens (session);

create function guard_refresh_token() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    perform from public.sessions s where s.id = new.session and s.ended_at is null for share;
    if found then return new; end if;
    raise exception 'session % has ended', new.session using errcode = '23503', table = 'refresh_tokens';
  end if;
  if tg_op = 'DELETE' then
    perform from public.sessions s
      where s.id = old.session and least(s.ended_at, s.expires_at) < now() - interval '1 day';
    if found then return old; end if;
  elsif old.used_at is null and new.used_at is not null
        and (new.id, new.session, new.hash, new.created_at, new.expires_at)
            is not distinct from (old.id, old.session, old.hash, old.created_at, old.expires_at) then
    return new;
  end if;
  raise exception 'refresh token %: it is used once, and kept until its session is over', old.id
    using errcode = '42501', table = 'refresh_tokens';
end $$;
create trigger guard before insert or update or delete on refresh_tokens
  for each row execute function guard_refresh_token();
create trigger no_truncate before truncate on refresh_tokens for each statement execute function refuse_rewrite();
