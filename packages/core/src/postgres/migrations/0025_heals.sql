-- The status looks up the heal of the change that left a release last. Without an index it would read all recomputes of the hook.
create index on recomputes (hook, healed_seq) where healed_seq is not null;
