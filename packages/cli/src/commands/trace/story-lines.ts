import type { Answer } from '@osa/core/api';
import { count, counted, shortDigest, time, version } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';
import { holdLines } from '../deploy/compare-gate.ts';
import { releaseLines } from '../hooks/lines.ts';
import { countsText } from '../replays/lines.ts';
import { introduction, recalledLines, releaseHead, runEntries, runHead } from './lines.ts';

/** The traces of a run, a release and a deploy, for people. */

const nameWidth = 'published'.length;

export function runTraceLines({ run, release, hook, outcomes, rows, replays }: Answer<'traceRun'>): Line[] {
  const { passed, rejected, errored } = outcomes;
  return [
    runHead(run),
    ...recalledLines(run.recalled),
    ...pairs(
      [
        [
          'of',
          `${run.recompute === null ? `ingestion ${run.ingestion} into` : `recompute ${run.recompute} of`} ${run.convention}`,
        ],
        ...runEntries(run, release.digest),
        ['records', `${count(passed)} passed, ${count(rejected)} rejected, ${count(errored)} errored`],
        ...replayedEntries(replays),
      ],
      nameWidth,
    ),
    '',
    releaseHead(hook.name, release),
    ...pairs([...releaseLines(release), ...introduction(release)], nameWidth),
    '',
    ...(rows.length === 0
      ? [dim('none of its rows can be read')]
      : table(
          ['row', 'source', 'record'],
          rows.map((row) => [row.name, row.source_id, row.record_srn]),
        )),
    ...((run.row_count ?? 0) > rows.length && rows.length > 0 ? [dim('… the first of its rows')] : []),
  ];
}

/** Replays of the run's output, where the whole run was replayed. */
function replayedEntries(replays: Answer<'traceRun'>['replays']) {
  if (!replays || replays.identical + replays.differs + replays.cannot === 0) return [];
  return [['replayed', line`as a whole: ${countsText(replays)}`] as const];
}

export function releaseTraceLines(trace: Answer<'traceRelease'>): Line[] {
  const { release, hook, made, conventions, live_changes } = trace;
  return [
    releaseHead(hook.name, release),
    ...recalledLines(release.recalled),
    ...pairs(
      [...releaseLines(release), ...introduction(release), ['owner', `convention ${hook.owner}`]],
      nameWidth,
    ),
    '',
    line`${bold('made')}     ${madeText(made)}`,
    ...(conventions.length === 0 ? [] : madeTable(conventions)),
    ...(live_changes.length === 0 ? [] : ['', ...liveTable(live_changes)]),
  ];
}

type Made = Answer<'traceRelease'>['made'];

export function madeText({ rows, records, runs, first_at, last_at }: Made): string {
  if (runs === 0) return 'nothing yet';
  const span = `${time(first_at)} to ${time(last_at)}`;
  return `${counted(rows, 'row')} of ${counted(records, 'record')} in ${counted(runs, 'run')}, ${span}`;
}

function madeTable(conventions: Answer<'traceRelease'>['conventions']): Line[] {
  return table(
    ['convention', 'rows', 'records', 'runs', 'first', 'last'],
    conventions.map((made) => [
      made.convention,
      made.rows,
      made.records,
      made.runs,
      time(made.first_at),
      time(made.last_at),
    ]),
  );
}

function liveTable(changes: Answer<'traceRelease'>['live_changes']): Line[] {
  return table(
    ['change', 'from', 'to', 'kind', 'at', 'by', 'reason'],
    changes.map((change) => [
      change.seq,
      version(change.from_version),
      version(change.to_version),
      change.kind,
      time(change.at),
      change.actor.subject,
      change.reason ?? '',
    ]),
  );
}

export function deployTraceLines({ deploy, releases }: Answer<'traceDeploy'>): Line[] {
  const changed = deploy.changed ? green('changed something') : yellow('changed nothing');
  return [
    line`${bold('deploy')}   ${deploy.id}  ${changed}`,
    ...pairs(
      [
        ['of', `convention ${deploy.slug}`],
        ['at', `${time(deploy.at)}, by ${deploy.actor.subject} (${deploy.actor.issuer})`],
        ['manifest', deploy.manifest_digest],
        ...deploy.source_refs.map((ref) => ['source', ref] as const),
      ],
      nameWidth,
    ),
    '',
    ...table(
      ['release', '', 'live', 'digest', 'rows', 'records', 'source'],
      releases.map((release) => [
        `${release.hook}@${release.version}`,
        line`${release.created ? 'made' : 'known'}${release.recalled.length > 0 ? red(', recalled') : ''}`,
        version(release.live_version),
        shortDigest(release.digest),
        release.made.rows,
        release.made.records,
        release.source_ref,
      ]),
    ),
    ...(deploy.holds.length === 0 ? [] : ['', ...holdLines(deploy.holds)]),
  ];
}
