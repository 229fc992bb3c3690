-- Who has sent a file, and bounds on what one depositor submits.
--
--   file_senders → stored_files, actors   who has sent all bytes of a file; forgotten with the file

create table file_senders (
  actor bigint not null references actors,
  sha256 text not null references stored_files,
  primary key (actor, sha256)
);
create index on file_senders (sha256);

create trigger no_rewrite before update or truncate on file_senders for each statement execute function refuse_rewrite();
create trigger guard before delete on file_senders for each statement execute function guard_forgetting();
create trigger guard_each before delete on file_senders for each row execute function guard_forgetting();

-- Until now only the first sender of a file was kept.
insert into file_senders (actor, sha256)
select f.actor, s.sha256 from stored_files s join files f on f.sha256 = s.sha256;

-- What one depositor has in validation, and has submitted of late.
create index depositions_in_validation on depositions (owner) where status = 'in_validation';
create index ingestions_submitted on ingestions (actor, sealed_at) where deposition is not null;
