-- What the application's role may do; applied by every `osad migrate`. The role's name is a setting, since roles
-- belong to the whole cluster. It has no DDL, and no way to rewrite what must only grow. It inserts into named
-- columns only: ids, times of writing and the beginning of each state are the database's to say.
do $$
declare
  app text := current_setting('osa.app_role');
  rights text[] := array[
    'usage on schema public, features, current, records',
    'select on all tables in schema public, features, current, records',
    'insert (issuer, subject, uuid) on actors',
    'insert (id, owner) on schema_owners',
    'insert (id, version, title, fields, open_text, actor) on schemas',
    'insert (slug, title, description, schema_id, schema_version, file_requirements, curation, approve_own) on conventions',
    'insert (slug, position, hook) on convention_hooks',
    'insert (id, slug, manifest, manifest_digest, changed, changes, actor) on deploys',
    'insert (name, owner, feature) on hooks',
    'insert (id, hook, version, runtime, image, digest, command, config, limits, fingerprint, source_ref, built_by) '
      'on releases',
    'insert (hook, version, source_ref, actor) on release_sources',
    'insert (hook, seq, from_version, to_version, kind, reason, actor) on live_changes',
    'insert (sha256, size, actor) on files',
    'insert (sha256) on blob_uses',
    'update (used_at) on blob_uses',
    'insert (sha256, head) on stored_files',
    'insert (actor, sha256) on file_senders',
    'insert (batch_record, name, sha256) on record_files',
    'insert (id, convention, schema_id, schema_version, batch_size, content_sha256, actor, traceparent) on ingestions',
    'insert (deposition) on ingestions',
    'insert (id, convention, owner, metadata), update (metadata, deleted_by) on depositions',
    'insert (ingestion, deposition, reason, actor) on deposition_ends',
    'insert (deposition, name, sha256), delete on deposition_files',
    'insert (run, batch, fence, status, output_digest, row_count, result) on held_runs',
    'insert (run, position, chunk) on held_rows',
    'insert (batch, deposition, decision, reason, actor) on reviews',
    'insert (id, ingestion, recompute, convention, index, records, invalid) on batches',
    'insert (id, hook, releases, convention, is_list, with_missing, healed_seq, reason, batch_size, expected_records, '
      'expected_rows, actor, traceparent, recall) on recomputes',
    'insert (recompute, position, version, only_run, is_list, missing_in) on recompute_walks',
    'insert (recompute, position, convention, source_id) on recompute_list',
    'insert (batch, source_id) on recompute_records',
    'insert (id, hook, version, against, convention, seed, sample, list, tolerances, keys, reason, actor) on comparisons',
    'update (status, fence, claimed_by, lease_until, problem, report, finished_at) on comparisons',
    'insert (id, fact, asked, reason, advice, actor) on recalls',
    'insert (recall, commit) on recall_commits',
    'insert (hook, version, recall) on recall_releases',
    'insert (batch_record, recall) on recall_records',
    'insert (recall, reason, actor) on recall_closings',
    'insert (convention, at), update (at) on recompute_times',
    'insert (deploy, hook, version, live_seq, comparison, max_changed), update (activated_seq) on deploy_holds',
    'insert (id, kind, hook, version, sample, seed, reason, actor) on replays',
    'insert (id, replay, position, run, whole) on replay_parts',
    'update (status, fence, claimed_by, lease_until, available_at, failures, reason, lost, finished_at) on replay_parts',
    'insert (part, outcome) on replay_outcomes',
    'insert (part, run, outcome, verdict, reason, engine, architecture, resolved_digest, platform_digest, stored_digest, '
      'made_digest, differing, columns, examples) on replay_certificates',
    'insert (batch, predecessor) on batch_gates',
    'insert (batch, source_id, line, metadata, content_digest, status, reason) on batch_records',
    'insert (convention, source_id, record_id, last_batch) on sources',
    'insert (id, batch, hook, version) on runs',
    'insert (run, attempt, tail, bytes) on running_logs',
    'insert (run, n, fence, memory_bytes, runner) on attempts',
    'insert (run, batch, hook, batch_record, attempt, status, reason, row_count) on outcomes',
    'insert (convention, schema_id, schema_version, domain) on record_sets',
    'insert (batch_record, record_id, version, record_set) on records',
    'insert (name, runtimes) on workers',
    'insert (type, payload) on events',
    'insert (consumer, seq), update (seq, attempts, error, holder, lease_until) on deliveries',
    'insert (consumer, seq, document, error), delete on dead_letters',
    'insert (id, issuer, claims, scopes, actor) on publishers',
    'update (removed_at, removed_by) on publishers',
    'insert (id, publisher, actor, proof, claims) on exchanges',
    'insert (exchange, publisher) on exchange_rules',
    'insert (id, issuer, subject, name), update (name) on people',
    'insert (actor, day, bytes), update (bytes), delete on upload_use',
    'insert (id, device_hash, user_code, expires_at, network), delete on logins',
    'update (polled_at, browser_hash, answered_at, person, allowed, taken_at) on logins',
    'insert (id, person, login, expires_at), update (ended_at, end_reason) on sessions',
    'insert (id, session, hash, expires_at), update (used_at), delete on refresh_tokens',
    'insert (actor, key, request_digest, rights, response) on idempotency_keys',
    'update (release_count, live_seq, live_version, paused_at, pause_reason, paused_by) on hooks',
    'update (title, description, license, schema_id, schema_version, file_requirements, docs, ingester, curation, approve_own, '
      'updated_at) on conventions',
    'insert (actor, verb) on refusals',
    'update (count, last_at) on refusals',
    'delete on convention_hooks, idempotency_keys, running_logs, workers',
    'update (runtimes, seen_at) on workers',
    'update (tail, bytes) on running_logs',
    'update (stopped_at, stop_reason, cancelled, paused_at, pause_reason, paused_by) on ingestions',
    'update (status, reason, fence, claimed_by, lease_until, snapshot_at, available_at, failures, claim_failures, lost, '
      'finished_at, invalid, unchanged, published, rejected, errored, retried, rows, retried_rows) on batches',
    'update (status, reason, record, retried_in) on batch_records',
    'update (last_batch, last_recompute) on sources',
    'update (paused_at, pause_reason, paused_by, cut_at, stopped_at, stop_reason, cancelled, finished_at) on recomputes',
    'update (after_run, after_record, after_source, done_at) on recompute_walks',
    'update (batch_record, current_outcome, status, reason, retried_in) on recompute_records',
    'update (status, reason, started_at, finished_at, input_digest, output_digest, row_count, published_records, '
      'published_rows, current_from) on runs',
    'update (resolved_digest, platform_digest, finished_at, ending, exit_code, exit_signal, detail, log, log_bytes) on attempts',
    'update (superseded_by) on outcomes',
    'insert on all tables in schema features',
    'execute on function create_feature_table(text), create_record_view(text, text), rows_of_record(bigint, integer)',
    'execute on function names_commit(text, text), commit_in(text), is_recalled_source(uuid, text), committed_source(text, integer)',
    'execute on function mint_release, add_release_source, prove_recompute_end, order_events(integer), deposition_status(uuid)',
    'execute on function declared_state, lock_declared, may_use_file(bigint, text)'];
  entry text;
begin
  -- This list is the whole truth, also for a role that has been given more before.
  execute format('revoke all on all tables in schema public, features, current, records from %I', app);
  foreach entry in array rights loop
    execute format('grant %s to %I', entry, app);
  end loop;
  -- Feature tables are made later, by the function above, as the owner.
  execute format('alter default privileges in schema features grant select, insert on tables to %I', app);
  execute format('alter default privileges in schema current grant select on tables to %I', app);
  execute format('alter default privileges in schema records grant select on tables to %I', app);
  -- What everybody has by default, and may have had from an older PostgreSQL, is not for the application's role
  -- either: a caller that can make types, tables or functions can put its own in the place of ours.
  execute format('revoke temporary, create on database %I from public, %I', current_database(), app);
  execute format('revoke create on schema public from public, %I', app);
  revoke execute on function refuse_rewrite(), guard_hook(), guard_new_hook(), guard_live_change(), guard_release(),
    guard_declaration(), guard_batch(), guard_batch_end(), guard_run(), guard_attempt(), guard_publisher(), guard_exchange(), guard_forgetting(), guard_pruning(), is_notice(text), prove_supersession(), refuse_superseded(),
    guard_person(), guard_login(), guard_session(), prove_session(), guard_refresh_token(),
    prove_batch_records(), prove_sources(), prove_outcomes(), prove_publication(), prove_records(), prove_rows(), prove_recompute_records(),
    prove_record_files(), prove_activation(), guard_current_from(),
    prove_replay_outcomes(), prove_replay_certificates(), guard_replay_end(),
    guard_deposition(), guard_deposition_file(), deposition_status(uuid), prove_deposition(), guard_submission(), note_submission(),
    follow_batch(), prove_submitted(), guard_held(), prove_held(), guard_held_run(), guard_held_rows(), drop_held(), guard_review(),
    prove_review(), prove_reviewed(), may_use_file(bigint, text), guard_deposition_end(), prove_deposition_end(),
    count_published(), count_recomputed(), column_type(text, text), create_feature_table(text), create_record_view(text, text),
    rows_of_record(bigint, integer), mint_release, add_release_source, prove_recompute_end, note_events(),
    order_events(integer), names_commit(text, text), commit_in(text), is_recalled_source(uuid, text), committed_source(text, integer),
    guard_recall(), guard_recall_commit(),
    guard_recall_release(), guard_recall_record(), guard_recalled_recompute(), follow_recalls(),
    create_current_view(text), declared_state, lock_declared from public;
end $$;
