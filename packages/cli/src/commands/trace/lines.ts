import type { Answer } from '@osa/core/api';
import { bytes, duration, liveness, secondsBetween, time, value, version } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';
import { releaseLines } from '../hooks/lines.ts';
import { rowReplayEntries } from '../replays/lines.ts';
import { runStatus } from '../runs/lines.ts';

type RowTrace = Answer<'traceRow'>;
type Deposition = NonNullable<RowTrace['record']['deposition']>;
type Entry = readonly [name: string, value: Line];

/** The longest name in the sections below the values, so that all of them align. */
const nameWidth = 'published'.length;

/** A row's story, from the values back to the code: row, record, run, release. */
export function rowTraceLines(trace: RowTrace): Line[] {
  const { row, run, release, hook } = trace;
  return [
    line`${bold(row.name)}${row.current ? '' : line`  ${yellow('superseded')}`}`,
    ...supersededLines(row.superseded_by),
    ...recalledLines(row.recalled),
    ...pairs([...valueEntries(trace), ...rowReplayEntries(row.replays)]),
    '',
    ...recordLines(trace.record, trace.record.deposition),
    '',
    runHead(run),
    ...pairs(runEntries(run, release.digest), nameWidth),
    '',
    releaseHead(hook.name, release),
    ...pairs(
      [...releaseLines(release), ...introduction(release), ['owner', `convention ${hook.owner}`]],
      nameWidth,
    ),
  ];
}

export function runHead({ id, status }: RowTrace['run']): Line {
  return line`${bold('run')}      ${id}  ${runStatus(status)}`;
}

/** How a run went; `released` is the digest of its release. */
export function runEntries(run: RowTrace['run'], released: string): Entry[] {
  // The run itself ends with its publication, which may wait for a review for days.
  const codeEnded = run.attempts.at(-1)?.finished_at ?? run.finished_at;
  const runtime = duration(secondsBetween(run.started_at, codeEnded));
  return [
    ['ran', line`${time(run.started_at)}, for ${runtime}`],
    ...attemptEntries(run.attempts, released),
    ...(run.log_pruned_at === null ? [] : [['log', `pruned on ${time(run.log_pruned_at)}`] as const]),
    ...memoryEntries(run.oom_retries),
    ['rows', run.row_count === null ? '-' : String(run.row_count)],
    ['snapshot', line`${time(run.snapshot_at)}, batch ${run.batch}`],
  ];
}

/** The notices on a thing, which a reader must not miss. */
export function recalledLines(notices: RowTrace['row']['recalled']): Line[] {
  return notices.map(
    ({ id, reason }) => line`${red('recalled')}: ${reason}  ${dim(`osa recall show ${id}`)}`,
  );
}

export function releaseHead(hook: string, release: RowTrace['release']): Line {
  const live = liveness(release.version, release.live_version);
  return line`${bold('release')}  ${bold(`${hook} ${version(release.version)}`)}  ${live}`;
}

/** By which row, release and reason a row was superseded, and when. */
function supersededLines(successor: RowTrace['row']['superseded_by']): Line[] {
  if (!successor) return [];
  const { status, rejection, rows, row_count, release, at, reason, is_heal, recompute_id, recall_id } =
    successor;
  const more = row_count > rows.length ? ` and ${row_count - rows.length} more` : '';
  const by =
    status === 'rejected'
      ? `nothing: ${version(release)} rejects the record: ${rejection}`
      : row_count === 0
        ? `no rows: ${version(release)} finds none`
        : `${rows.join(', ')}${more}, of ${version(release)}`;
  return pairs(
    [
      ['by', by],
      ['when', time(at)],
      ['because', reason ?? (is_heal ? 'the live release was moved back' : 'no reason was given')],
      ['recompute', recompute_id],
      ...(recall_id === null ? [] : [['recall', recall_id] as const]),
    ],
    nameWidth,
  );
}

/** A record, and the rows that came of it. */
export function recordTraceLines({ record, deposition, rows, row_count }: Answer<'traceRecord'>): Line[] {
  const cells = rows.map((row) => [
    row.name,
    row.is_live ? version(row.release) : line`${version(row.release)} ${yellow('stale')}`,
    row.digest.slice(0, 19),
    stateOf(row),
    Object.entries(row.values)
      .map(([name, content]) => `${name}=${value(content)}`)
      .join(' '),
  ]);
  return [
    ...recordLines(record, null),
    ...(deposition ? ['', ...depositedLines(deposition)] : []),
    '',
    ...(rows.length === 0 ? ['no rows'] : table(['row', 'release', 'digest', '', 'values'], cells)),
    ...(row_count > rows.length ? [dim(`… and ${row_count - rows.length} more rows`)] : []),
  ];
}

/** The depositor, the reviewer who approved, and the runs of each submission, the newest first. */
function depositedLines({
  id,
  depositor,
  submissions,
}: NonNullable<Answer<'traceRecord'>['deposition']>): Line[] {
  return [
    line`${bold('deposited')} ${depositedBy({ id, depositor })}`,
    ...submissions.flatMap(({ status, submitted_at, runs, review, ended }) => {
      const said = ended ? { decision: 'ended', actor: ended.actor } : review;
      const by = said ? `, ${said.decision} by ${said.actor.subject} (${said.actor.issuer})` : '';
      const state = status.replace('_', ' ');
      return [
        line`  ${time(submitted_at)}  ${status === 'accepted' ? green(state) : yellow(state)}${by}`,
        ...runs.map(
          ({ hook, version: release, id: run, outcome }) =>
            line`    run ${run}  ${hook} ${version(release)}  ${outcome ?? 'no outcome'}`,
        ),
      ];
    }),
  ];
}

function depositedBy({ id, depositor }: Deposition): string {
  return `by ${depositor.subject} (${depositor.issuer}), deposition ${id}`;
}

function stateOf({ current, recalled }: Answer<'traceRecord'>['rows'][number]): Line {
  if (recalled.length === 0) return current ? '' : yellow('superseded');
  return line`${red('recalled')}${current ? '' : yellow(', superseded')}`;
}

/** `deposition` is null where nobody deposited the record, or lines of their own say how. */
function recordLines(record: Answer<'traceRecord'>['record'], deposition: Deposition | null): Line[] {
  const { srn, newest_version, schema_id, source_id, convention, ingestion, published_at } = record;
  const age = record.version === newest_version ? green('newest') : yellow(`v${newest_version} is newer`);
  return [
    line`${bold('record')}   ${srn}  ${age}`,
    ...recalledLines(record.recalled),
    ...pairs(
      [
        ['source', line`${source_id}, of ${convention}, schema ${schema_id.id}@${schema_id.version}`],
        ['came in', `ingestion ${ingestion}, line ${record.line}`],
        ...(deposition ? [['deposited', depositedBy(deposition)] as const] : []),
        ['published', time(published_at)],
      ],
      nameWidth,
    ),
  ];
}

/** The columns in the contract's order, each with its unit. */
function valueEntries({ row, hook }: RowTrace): Entry[] {
  return hook.feature.columns.map(({ name, json_type, unit }) => {
    const shown = value(row.values[name], json_type);
    return [name, unit ? line`${shown} ${dim(unit)}` : shown];
  });
}

function attemptEntries(attempts: RowTrace['run']['attempts'], released: string): Entry[] {
  return attempts.map((attempt) => {
    const { n, runner, memory_bytes, ending, exit_code, exit_signal, detail, resolved_digest } = attempt;
    const seconds = secondsBetween(attempt.started_at, attempt.finished_at);
    const end = exit_signal ?? (exit_code === null ? undefined : `exit ${exit_code}`);
    const facts = [ending ?? 'open', end, `${runner} runner`, bytes(memory_bytes), duration(seconds), detail];
    const shown = facts.filter((fact) => fact !== undefined && fact !== null).join(', ');
    return [`attempt ${n}`, line`${shown}${digestNote(resolved_digest, released)}`];
  });
}

function memoryEntries(oomRetries: number): Entry[] {
  if (oomRetries === 0) return [];
  return [['retried', `${oomRetries === 1 ? 'once' : `${oomRetries} times`} with more memory`]];
}

/** The digest that the runtime ran, compared with the release's. */
function digestNote(resolved: string | null, released: string): Line {
  if (resolved === null) return '';
  return resolved === released ? ', digest verified' : line`, ${red(`ran another digest: ${resolved}`)}`;
}

export function introduction({ introduced_by: introduced }: RowTrace['release']): Entry[] {
  if (!introduced) return [];
  const { kind, actor, at } = introduced;
  return [['went live', `${time(at)}, by ${actor.subject} (${actor.issuer}), ${kind}`]];
}
