import type { Answer } from '@osa/core/api';
import { sourceOf } from '../workload/releases.ts';
import type { Client } from '../world/client.ts';
import { isSame, makingOf, spell } from './making.ts';
import type { Model } from './model.ts';
import type { State, StoredRow } from './state.ts';
import type { Report } from './violations.ts';

/**
 * I15: every statement of a trace is compared with something else than the tables that it is read from: what the row says
 * of the release that made it, what clients sent, and when.
 */
export async function checkTraces(state: State, model: Model, client: Client, report: Report): Promise<void> {
  const facts = indexed(state, model);
  const published = state.rows.filter((row) => facts.recordOf(row) !== undefined);
  const srns = new Set<string>();
  for (const row of published) {
    const trace = await client.read<Answer<'traceRow'>>(`/api/v1/trace/rows/${row.hook}/${row.id}`);
    if (!trace) {
      report('I15', `the published row ${row.hook}/${row.id} has no trace`, 'lost');
      continue;
    }
    const wrong = flaws(trace, row, { facts, state, model });
    for (const what of wrong) report('I15', `trace of ${row.hook}/${row.id}: ${what}`, 'misattributed');
    srns.add(trace.record.srn);
  }
  for (const srn of srns) await checkRecordTrace(srn, { facts, model, client }, report);
  const open = new Set(
    state.batchRecords.filter(({ status }) => status === 'published').map(({ batch }) => batch),
  );
  for (const { id, batch, hook, version } of state.runs) {
    const deposition = facts.batchOf(batch)?.deposition ?? null;
    const run = await client.read<Answer<'showRun'>>(`/api/v1/hooks/runs/${id}`);
    const digest = facts.releaseOf(hook, version)?.digest;
    if (deposition !== null && !open.has(batch)) {
      if (run !== undefined) report('I15', `run ${id} of a submission that is not accepted is shown`);
      continue;
    }
    if (run?.hook_name !== hook || run.version !== version || run.digest !== digest)
      report('I15', `run ${id} is shown as ${run?.hook_name} ${run?.version}, not ${hook} ${version}`);
  }
}

type Facts = ReturnType<typeof indexed>;

function indexed(state: State, model: Model) {
  const outcomes = new Map(state.outcomes.map((outcome) => [outcome.id, outcome]));
  const records = new Map(state.batchRecords.map((record) => [record.id, record]));
  const batches = new Map(state.batches.map((batch) => [batch.id, batch]));
  const runs = new Map(state.runs.map((run) => [run.id, run]));
  const releases = new Map(state.releases.map((release) => [`${release.hook} ${release.version}`, release]));
  return {
    sent: new Map([...model.ingestions, ...model.submissions].map((sent) => [sent.id, sent])),
    batchOf: (id: string) => batches.get(id),
    releaseOf: (hook: string, version: number) => releases.get(`${hook} ${version}`),
    versionOf: (row: StoredRow) => runs.get(row.run_id)?.version ?? 0,
    /** The published record of a row. */
    recordOf: (row: StoredRow) => {
      const record = records.get(outcomes.get(row.outcome_id)?.batch_record ?? '');
      return record?.status === 'published' ? record : undefined;
    },
  };
}

interface Known {
  readonly facts: Facts;
  readonly state: State;
  readonly model: Model;
}

/** Differences of the trace to the row, the requests and their times. */
function flaws({ release, run, record, hook }: Answer<'traceRow'>, row: StoredRow, known: Known): string[] {
  const { facts, state, model } = known;
  const making = makingOf(release, model);
  const version = facts.versionOf(row);
  const stored = facts.releaseOf(row.hook, version);
  const live = state.hooks.find(({ name }) => name === row.hook)?.live_version;
  const senders = model.releases.filter((sent) => sent.hook === row.hook).map(({ by }) => by);
  const sent = facts.sent.get(record.ingestion);
  const sentAt = sent?.sentAt ?? Number.POSITIVE_INFINITY;
  const batch = facts.batchOf(run.batch);
  const wasSent = sent?.records.some(
    ({ source, value }) => source === row.source && Number(value) * 10 + row.ordinal === Number(row.value),
  );
  const statements: readonly (readonly [string, boolean])[] = [
    [`the release is ${spell(making)}, the row says ${spell(row)}`, isSame(making, row)],
    [`the source is ${release.source_ref}`, release.source_ref === sourceOf({ token: row.oracle })],
    [`the version is ${release.version}, not ${version}`, release.version === version],
    [
      `the limits are ${JSON.stringify(release.limits)}`,
      release.limits.timeout_seconds === stored?.limits.timeout_seconds,
    ],
    [
      `${release.built_by} built it`,
      senders.includes(release.built_by) && release.built_by === stored?.built_by,
    ],
    [`${live} is live, not ${release.live_version}`, release.live_version === live],
    [`is_live is ${release.is_live}`, release.is_live === (live === version)],
    [`the hook is ${hook.name}`, hook.name === row.hook && release.hook_name === row.hook],
    [`the run is ${run.id}`, run.id === row.run_id],
    [`the source is ${record.source_id}`, record.source_id === row.source],
    [`${record.ingestion} did not send ${JSON.stringify(record.metadata)}`, wasSent === true],
    [`the snapshot was at ${run.snapshot_at}`, at(run.snapshot_at) === Math.floor(batch?.snapshot_ms ?? 0)],
    [`introduced by ${JSON.stringify(release.introduced_by)}`, isIntroduction(release, known)],
    [
      'its times do not follow each other',
      (batch?.recompute === null
        ? isOrder([sentAt, at(run.snapshot_at), at(run.started_at), at(record.published_at)])
        : isOrder([sentAt, at(record.published_at), at(run.snapshot_at)])) &&
        isOrder([at(release.built_at), at(run.snapshot_at), at(run.started_at), at(run.finished_at)]),
    ],
    [`an attempt ran ${run.attempts.map((one) => one.resolved_digest)}`, hasRun(run, release.digest)],
  ];
  return statements.filter(([, holds]) => !holds).map(([what]) => what);
}

/** Code that answered has the digest of the release. */
function hasRun({ attempts }: Answer<'traceRow'>['run'], digest: string): boolean {
  const answered = attempts.filter(({ ending }) => ending === 'exited' || ending === 'out_of_memory');
  return answered.length > 0 && answered.every(({ resolved_digest }) => resolved_digest === digest);
}

/** The first change to the release, by somebody who asked for it. */
function isIntroduction(
  { introduced_by: change, hook_name, version }: Answer<'traceRow'>['release'],
  { state }: Known,
): boolean {
  const first = state.changes.find((one) => one.hook === hook_name && one.to_version === version);
  return change?.kind === first?.kind && change?.actor.subject === first?.actor;
}

/** Each row of a record names the release of its run, by version and digest. */
async function checkRecordTrace(
  srn: string,
  { facts, model, client }: Pick<Known, 'facts' | 'model'> & { readonly client: Client },
  report: Report,
): Promise<void> {
  const trace = await client.read<Answer<'traceRecord'>>(`/api/v1/trace/records/${encodeURIComponent(srn)}`);
  for (const { name, hook, release, digest, values } of trace?.rows ?? []) {
    const token = model.codes.get(digest)?.token;
    const stored = facts.releaseOf(hook, release);
    const making = stored && makingOf(stored, model);
    const said = {
      oracle: String(values.oracle),
      config: String(values.config),
      argument: String(values.argument),
    };
    if (token === said.oracle && making && isSame(making, said)) continue;
    report(
      'I15',
      `trace of ${srn}: ${name} is of ${token}, version ${release}, and says ${spell(said)}`,
      'misattributed',
    );
  }
}

/** Times are cut to milliseconds, and a started hook is timed by its daemon. */
const slackMs = 2;

function isOrder(times: readonly number[]): boolean {
  return times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0) - slackMs);
}

function at(time: string | null): number {
  return time === null ? Number.NaN : Date.parse(time);
}
