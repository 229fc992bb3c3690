-- Publications of a convention have later times than those before them, also where the clock has been set back. The
-- transaction names the newest time in `osa.published_after`; it can move a time forward, and never before the clock.
alter table records alter column published_at set default greatest(
  clock_timestamp(),
  nullif(current_setting('osa.published_after', true), '')::timestamptz + interval '1 microsecond'
);
