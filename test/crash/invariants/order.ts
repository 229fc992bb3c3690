import type { HookName } from '../hooks.ts';
import type { Ingestion, Model } from './model.ts';
import type { Batch, BatchRecord, LiveChange, State } from './state.ts';
import type { Report } from './violations.ts';

/** The clocks of the harness and of PostgreSQL are one; its times are cut to milliseconds. */
const slackMs = 2;

/** The order of things: versions follow arrival, and a snapshot sees what was answered before it, and all of it. */
export function checkOrder(state: State, model: Model, report: Report): void {
  checkVersions(state, model, report);
  const windows = windowsOf(state, model);
  for (const batch of state.batches) checkSnapshot(batch, state, windows, report);
}

function checkVersions(state: State, model: Model, report: Report): void {
  const { records, batches, batchRecords } = state;
  const versionOf = new Map(records.map(({ srn, version }) => [srn, version]));
  for (const [source, versions] of Map.groupBy(records, (record) => record.source_id)) {
    for (const [index, record] of versions.entries()) {
      if (record.version !== index + 1)
        report('I1', `${source}: version ${record.version} stands at ${index + 1}`);
      if (versions[index - 1]?.content_digest === record.content_digest) {
        report('I6', `${source}@${record.version} is the same as the version before it`, 'duplicated');
      }
    }
  }
  const sentAs = new Map(model.ingestions.map((ingestion) => [ingestion.id, ingestion]));
  const ingestionOf = new Map(batches.map(({ id, ingestion }) => [id, sentAs.get(ingestion ?? '')]));
  // A retry publishes content of its ingestion, so it is older than anything that came in after that.
  const arrivals = batchRecords.filter(({ record }) => record !== null);
  for (const same of Map.groupBy(arrivals, (record) => record.source_id).values()) {
    for (const first of same) {
      for (const second of same) compare(first, second, { ingestionOf, versionOf }, report);
    }
  }
}

/** When one was answered before the other was sent, it has the earlier version. */
function compare(
  first: BatchRecord,
  second: BatchRecord,
  known: { ingestionOf: ReadonlyMap<string, Ingestion | undefined>; versionOf: ReadonlyMap<string, number> },
  report: Report,
): void {
  const earlier = known.ingestionOf.get(first.batch)?.ackedAt;
  const later = known.ingestionOf.get(second.batch)?.sentAt;
  if (earlier === undefined || later === undefined || earlier > later) return;
  const before = known.versionOf.get(first.record ?? '') ?? 0;
  const after = known.versionOf.get(second.record ?? '') ?? 0;
  const isNext = second.status === 'published' ? after > before : after >= before;
  if (!isNext) {
    report(
      'I6',
      `${first.source_id}: what came first is version ${before}, what came later ${after} (${second.status})`,
    );
  }
}

/** Between when and when a live change, or a deploy, became visible. */
interface Window {
  readonly sentAt: number;
  readonly ackedAt: number;
}

interface Windows {
  readonly changes: ReadonlyMap<string, Window>;
  readonly deploys: readonly { readonly hooks: readonly string[]; readonly window: Window }[];
}

const always: Window = { sentAt: 0, ackedAt: Number.POSITIVE_INFINITY };

function windowsOf({ changes, deploys }: State, model: Model): Windows {
  const found = new Map<string, Window>();
  const windowOf = ({
    sentAt,
    ackedAt = Number.POSITIVE_INFINITY,
  }: {
    sentAt: number;
    ackedAt?: number;
  }) => ({
    sentAt,
    ackedAt,
  });
  const sent = new Map(model.deploys.map((deploy) => [deploy.id, deploy]));
  const windowOfDeploy = (id: string) => {
    const deploy = sent.get(id);
    return deploy ? windowOf(deploy) : always;
  };
  for (const { id, xact } of deploys) {
    for (const change of changes.filter((one) => one.xact === xact)) {
      found.set(`${change.hook} ${change.seq}`, windowOfDeploy(id));
    }
  }
  for (const move of model.moves) {
    if (move.seq !== undefined && move.changed) found.set(`${move.hook} ${move.seq}`, windowOf(move));
  }
  const byDeploys = new Set(deploys.map(({ xact }) => xact));
  for (const mint of model.mints) {
    // One that did not go live may have been activated later; a deploy of the same code may have been first.
    const change = changes.find(
      (one) => one.hook === mint.hook && one.to_version === mint.version && one.kind === 'release',
    );
    if (change && !byDeploys.has(change.xact)) found.set(`${change.hook} ${change.seq}`, windowOf(mint));
  }
  return {
    changes: found,
    deploys: deploys.map(({ id, hooks }) => ({ hooks, window: windowOfDeploy(id) })),
  };
}

function checkSnapshot(batch: Batch, state: State, windows: Windows, report: Report): void {
  const at = batch.snapshot_ms;
  if (at === null) return;
  const runs = state.runs.filter((run) => run.batch === batch.id);
  if (batch.recompute === null) {
    checkHookList(
      batch.id,
      at,
      runs.map(({ hook }) => hook),
      windows,
      report,
    );
  }
  const seen = new Map<string, number[]>();
  for (const { hook, version } of runs) {
    const own = state.changes.filter((change) => change.hook === hook);
    const possible = own
      .filter((change) => isVisible(change, own, at, windows))
      .filter((one) => one.to_version === version);
    if (possible.length === 0) {
      report(
        'I8',
        `batch ${batch.id} runs ${hook} ${version}, which was not live at ${new Date(at).toISOString()}`,
        'misattributed',
      );
    }
    seen.set(
      hook,
      possible.map(({ seq }) => seq),
    );
  }
  checkWhole(batch.id, seen, state.changes, report);
}

/** Sent before the snapshot, and not overtaken by a change that was answered before it. */
function isVisible(
  { hook, seq }: LiveChange,
  own: readonly LiveChange[],
  at: number,
  { changes }: Windows,
): boolean {
  const window = (one: number) => changes.get(`${hook} ${one}`) ?? always;
  if (window(seq).sentAt > at + slackMs) return false;
  return !own.some((later) => later.seq > seq && window(later.seq).ackedAt < at - slackMs);
}

function checkHookList(
  batch: string,
  at: number,
  hooks: readonly string[],
  { deploys }: Windows,
  report: Report,
): void {
  const lastAnswered = deploys.findLastIndex(({ window }) => window.ackedAt < at - slackMs);
  const possible = deploys.filter(
    ({ window }, index) => index >= lastAnswered && window.sentAt < at + slackMs,
  );
  const key = (names: readonly string[]) => [...names].sort().join();
  if (possible.some((deploy) => key(deploy.hooks) === key(hooks))) return;
  report(
    'I8',
    `batch ${batch} runs ${key(hooks)}; declared then: ${possible.map((one) => key(one.hooks)).join(' or ')}`,
  );
}

/** A deploy's moves are seen together: all of them, or none. */
function checkWhole(
  batch: string,
  seen: ReadonlyMap<string, readonly number[]>,
  changes: readonly LiveChange[],
  report: Report,
): void {
  for (const [xact, together] of Map.groupBy(changes, (change) => change.xact)) {
    const known = together.filter(({ hook }) => (seen.get(hook as HookName)?.length ?? 0) > 0);
    if (known.length < 2) continue;
    const canBeBefore = known.every(({ hook, seq }) => seen.get(hook)?.some((one) => one < seq));
    const canBeAfter = known.every(({ hook, seq }) => seen.get(hook)?.some((one) => one >= seq));
    if (canBeBefore || canBeAfter) continue;
    report('I8', `batch ${batch} saw one half of what transaction ${xact} moved`, 'misattributed');
  }
}
