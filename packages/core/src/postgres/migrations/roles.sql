-- What the application's role may do; applied by every `osad migrate`. The role's name is a setting, since roles
-- belong to the whole cluster. It has no DDL, and no way to rewrite what must only grow.
do $$
declare
  app text := current_setting('osa.app_role');
  rights text[] := array[
    'usage on schema public, features, current',
    'select on all tables in schema public, features, current',
    'insert on actors, schemas, conventions, convention_hooks, deploys, releases, live_changes, files, ingestions, '
      'batches, batch_gates, batch_records, sources, runs, attempts, outcomes, records, events, idempotency_keys',
    'insert (name, owner, feature) on hooks',
    'update (release_count, live_seq, live_version) on hooks',
    'update (title, description, schema_id, schema_version, file_requirements, docs, ingester, updated_at) on conventions',
    'delete on convention_hooks, idempotency_keys',
    'update (stopped_at, stop_reason) on ingestions',
    'update (status, reason, fence, claimed_by, lease_until, snapshot_at, available_at, failures, finished_at, '
      'invalid, unchanged, published, rejected, errored, retried, rows) on batches',
    'update (status, reason, record, retried_in) on batch_records',
    'update (last_batch) on sources',
    'update (status, reason, started_at, finished_at, input_digest, output_digest, row_count) on runs',
    'update (resolved_digest, finished_at, outcome, exit_code, exit_signal, detail, log) on attempts',
    'update (superseded_by) on outcomes',
    'insert on all tables in schema features',
    'execute on function create_feature_table(text)'];
  entry text;
begin
  foreach entry in array rights loop
    execute format('grant %s to %I', entry, app);
  end loop;
  -- Feature tables are made later, by the function above, as the owner.
  execute format('alter default privileges in schema features grant select, insert on tables to %I', app);
  execute format('alter default privileges in schema current grant select on tables to %I', app);
end $$;
