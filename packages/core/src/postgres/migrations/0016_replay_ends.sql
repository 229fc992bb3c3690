-- A part of a replay can end without certificates: `failed`, when its end is refused again and again, or `cancelled`. Both say
-- why. Neither says anything of a value: only parts that are `done` have certificates.

alter table replay_parts
  drop constraint replay_parts_status_check,
  drop constraint replay_parts_check1,
  add constraint replay_parts_status_check check (status in ('queued', 'running', 'done', 'failed', 'cancelled')),
  add constraint replay_parts_end_check
    check ((status in ('done', 'failed', 'cancelled')) = (finished_at is not null)),
  add constraint replay_parts_reason_check check (status not in ('failed', 'cancelled') or reason is not null);

drop trigger complete on replay_parts;
create constraint trigger complete after update on replay_parts deferrable initially deferred
  for each row when (old.finished_at is null and new.status = 'done') execute function guard_replay_end();
