-- Files of records. Their bytes are in the store; `files` knows their sizes, and here is how they begin.

create table stored_files (
  sha256 text primary key references files,
  head bytea not null check (length(head) <= 64)
);

-- What a record came with, in the order of the names. A published record has the files of what came in.
create table record_files (
  batch_record bigint not null references batch_records,
  name text collate "C" not null check (octet_length(name) between 1 and 255),
  sha256 text not null references stored_files,
  primary key (batch_record, name)
);
-- Who refers to a file.
create index on record_files (sha256);

create trigger no_rewrite before update or delete or truncate on stored_files
  for each statement execute function refuse_rewrite();
create trigger no_rewrite before update or delete or truncate on record_files
  for each statement execute function refuse_rewrite();

-- A record gets its files in the transaction that brings it in, and none later: its content digest covers them.
create function prove_record_files() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (
    select from added a
    cross join lateral (select batch from public.batch_records where id = a.batch_record offset 0) r
    cross join lateral (select created_at from public.batches where id = r.batch offset 0) b
    where b.created_at <> now()) then
    raise exception 'a record gets its files when it comes in, and none later'
      using errcode = '42501', table = 'record_files';
  end if;
  return null;
end $$;
create trigger prove after insert on record_files referencing new table as added
  for each statement execute function prove_record_files();
