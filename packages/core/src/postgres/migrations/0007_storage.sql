-- What the store may forget: bytes that no release and no record refers to, once nobody has used them for a while.

-- When somebody last began to send bytes, or heard that they are stored and need not be sent. A row is locked while its
-- bytes are removed, so that whoever comes then waits, and finds them gone.
create table blob_uses (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  used_at timestamptz not null default clock_timestamp()
);

-- A file is forgotten by its name, one at a time, and only while nothing refers to it, as its foreign keys say. The names
-- of bytes that are in use are history as before.
drop trigger no_rewrite on files;
drop trigger no_rewrite on stored_files;
create trigger no_rewrite before update or truncate on files for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or truncate on stored_files
  for each statement execute function refuse_rewrite();

create function guard_forgetting() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  forgotten text := coalesce(current_setting('osa.forgetting', true), '');
begin
  if forgotten = '' or (tg_level = 'ROW' and old.sha256 <> forgotten) then
    raise exception 'only osad storage gc forgets a file, by its name' using errcode = '42501', table = tg_table_name;
  end if;
  return old;
end $$;
create trigger guard before delete on files for each statement execute function guard_forgetting();
create trigger guard_each before delete on files for each row execute function guard_forgetting();
create trigger guard before delete on stored_files for each statement execute function guard_forgetting();
create trigger guard_each before delete on stored_files for each row execute function guard_forgetting();

-- Who refers to a packed directory.
create index on releases (blob) where blob is not null;
