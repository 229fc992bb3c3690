import { normaliseLimits } from '@osa/core/hook/release';
import { canonicalJson } from '@osa/core/json/canonical';
import { sourceOf } from '../workload/releases.ts';
import type { Declared, Model } from './model.ts';
import type { Release, State } from './state.ts';
import type { Report } from './violations.ts';

/** The clocks of the harness and of PostgreSQL are one; its times are cut to milliseconds. */
const slackMs = 2;

/** I1–I3, I9: versions, releases, pointers, and the writes of clients. */
export function checkRegistry(state: State, model: Model, report: Report): void {
  checkVersions(state, report);
  checkPointers(state, model, report);
  checkReleases(state, model, report);
  checkDeploys(state, model, report);
  checkMoves(state, model, report);
  checkMints(state, model, report);
  checkIngestions(state, model, report);
}

function checkVersions({ hooks, releases }: State, report: Report): void {
  for (const { name, release_count: count } of hooks) {
    const own = releases.filter(({ hook }) => hook === name);
    const versions = own.map(({ version }) => version).join();
    const expected = Array.from({ length: count }, (_, index) => index + 1).join();
    if (versions !== expected) report('I1', `${name} has the versions ${versions} and counts ${count}`);
    for (const same of Map.groupBy(own, identityOf).values()) {
      if (same.length < 2) continue;
      const found = same.map(({ version }) => version).join(' and ');
      report('I2', `${name}: the releases ${found} are the same`, 'duplicated');
    }
  }
}

/** The facts that decide a result, whatever the stored fingerprint is. */
function identityOf({ runtime, digest, command, config, limits }: Release): string {
  return canonicalJson([runtime, digest, command, config, normaliseLimits(limits)]);
}

function checkPointers({ hooks, changes, releases }: State, model: Model, report: Report): void {
  for (const hook of hooks) {
    const own = changes.filter((change) => change.hook === hook.name);
    const last = own.at(-1);
    if (hook.live_seq !== (last?.seq ?? null) || hook.live_version !== (last?.to_version ?? null)) {
      report('I3', `${hook.name}: live is ${hook.live_version}, the last change says ${last?.to_version}`);
    }
    for (const [index, change] of own.entries()) {
      if (change.seq !== index + 1 || change.from_version !== (own[index - 1]?.to_version ?? null)) {
        report('I3', `${hook.name}: change ${change.seq} does not follow the one before it`);
      }
    }
    const acked = model.moves.filter((move) => move.hook === hook.name).map((move) => move.seq ?? 0);
    if ((hook.live_seq ?? 0) < Math.max(0, ...acked))
      report('I3', `${hook.name}: an answered change is gone`, 'lost');
  }
  for (const { hook, version, digest } of releases) {
    if (model.codes.get(digest)?.hook !== hook)
      report('I3', `${hook} ${version} is not a code of it: ${digest}`);
  }
}

/** Each release is what somebody asked for, and an answer names a release of what was sent. */
function checkReleases({ releases }: State, model: Model, report: Report): void {
  for (const { hook, version, parts } of model.releases) {
    if (version === undefined) continue;
    const stored = releases.find((one) => one.hook === hook && one.version === version);
    if (!stored || !agrees(stored, parts))
      report('I9', `${hook}: the answered release ${version} is not what was sent`, 'lost');
  }
  for (const release of releases) {
    const { hook, version, digest, source_ref: source } = release;
    const token = model.codes.get(digest)?.token ?? 'none';
    if (source !== sourceOf({ token })) report('I3', `${hook} ${version} is of ${token}, and says ${source}`);
    const sent = model.releases.filter((one) => one.hook === hook && agrees(release, one.parts));
    if (!sent.some(({ by }) => by === release.built_by))
      report('I3', `${hook} ${version}: ${release.built_by} did not ask for such a release`);
    const firstSentAt = Math.min(...sent.map(({ sentAt }) => sentAt));
    if (release.built_ms < firstSentAt - slackMs)
      report('I3', `${hook} ${version} is older than its request`);
  }
}

/** Whether the release has all the parts that were named. */
function agrees(release: Release, { code, config, argument, seconds }: Partial<Declared>): boolean {
  return (
    (code === undefined || code.digest === release.digest) &&
    (config === undefined || config === release.config.variant) &&
    (argument === undefined || argument === (release.command?.[2] ?? '')) &&
    (seconds === undefined || seconds === release.limits.timeout_seconds)
  );
}

function checkDeploys({ deploys }: State, model: Model, report: Report): void {
  const stored = new Set(deploys.map(({ id }) => id));
  for (const { id } of model.deploys) {
    if (id !== undefined && !stored.has(id)) report('I9', `the answered deploy ${id} is gone`, 'lost');
  }
  const answered = model.deploys.filter(({ id }) => id !== undefined).length;
  const unknown = model.deploys.length - answered;
  if (stored.size > answered + unknown)
    report('I9', `${stored.size} deploys of ${answered} sent`, 'duplicated');
}

function checkMoves({ changes, deploys }: State, model: Model, report: Report): void {
  for (const { hook, seq, version, changed } of model.moves) {
    if (seq === undefined) continue;
    const stored = changes.find((change) => change.hook === hook && change.seq === seq);
    if (stored?.to_version !== version)
      report('I3', `${hook}: the answered change ${seq} to ${version} is gone`, 'lost');
    const twins = model.moves.filter((move) => move.changed && move.hook === hook && move.seq === seq);
    if (changed && twins.length > 1)
      report('I3', `${hook}: change ${seq} was told to two clients, so one of them is gone`, 'lost');
  }
  const byDeploys = new Set(deploys.map(({ xact }) => xact));
  const moved = changes.filter(({ xact, kind }) => !byDeploys.has(xact) && kind !== 'release').length;
  const sent = model.moves.filter(({ changed, ackedAt }) => changed === true || ackedAt === undefined).length;
  if (moved > sent) report('I9', `${moved} moves of ${sent} sent`, 'duplicated');
}

function checkMints({ releases, changes, deploys }: State, model: Model, report: Report): void {
  for (const { hook, live, version, created } of model.mints) {
    if (version === undefined) continue;
    const release = releases.find((one) => one.hook === hook && one.version === version);
    if (!release) report('I9', `${hook}: the answered release ${version} is gone`, 'lost');
    const wentLive = changes.some(
      (one) => one.hook === hook && one.to_version === version && one.kind === 'release',
    );
    if (created && live && !wentLive) report('I9', `${hook}: release ${version} did not go live`, 'lost');
  }
  const byDeploys = new Set(deploys.map(({ xact }) => xact));
  const minted = changes.filter(({ xact, kind }) => !byDeploys.has(xact) && kind === 'release').length;
  const sent = model.mints.filter(({ live }) => live).length;
  if (minted > sent) report('I9', `${minted} releases went live of ${sent} sent`, 'duplicated');
}

function checkIngestions({ ingestions, batches, batchRecords }: State, model: Model, report: Report): void {
  const ingestionOf = new Map(batches.map(({ id, ingestion }) => [id, ingestion]));
  for (const { id, records } of model.ingestions) {
    if (id === undefined) continue;
    const arrived = batchRecords.filter((record) => ingestionOf.get(record.batch) === id);
    const firsts = arrived.filter((record) => !arrived.some(({ retried_in }) => retried_in === record.batch));
    const stored = firsts.map(({ source_id, value }) => JSON.stringify([source_id, value])).sort();
    const sent = records.map(({ source, value }) => JSON.stringify([source, value])).sort();
    if (stored.join() !== sent.join())
      report('I9', `ingestion ${id}: ${sent} was sent, ${stored} is stored`, 'lost');
  }
  if (ingestions.length > model.ingestions.length) {
    report('I9', `${ingestions.length} ingestions of ${model.ingestions.length} sent`, 'duplicated');
  }
}
