import type { Answer } from '@osa/core/api';
import { count, counted, time } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';
import { touchedLines } from '../trace/impact.ts';

type Recall = Answer<'showRecall'>;
type Summary = Answer<'listRecalls'>['items'][number];

/** A recall, what it selects, and what to do about it. */
export function recallLines(recall: Recall): Line[] {
  const { id, reason, advice, opened_by, opened_at, closed, recomputes } = recall;
  return [
    line`recall ${bold(id)}: ${closed ? dim('closed') : red('open')}`,
    ...pairs([
      ['of', factText(recall)],
      ['reason', reason],
      ...(advice === null ? [] : [['advice', advice] as const]),
      ['opened', `${time(opened_at)}, by ${opened_by.subject} (${opened_by.issuer})`],
      ...(closed
        ? [['closed', `${time(closed.at)}, by ${closed.by.subject}: ${closed.reason}`] as const]
        : []),
      ['current', currentText(recall)],
      ...(recomputes.length === 0 ? [] : [['recomputes', recomputes.join(', ')] as const]),
    ]),
    '',
    ...touchedLines(recall),
    ...nextLines(recall),
  ];
}

export function recallTable(recalls: readonly Summary[]): Line[] {
  return table(
    ['recall', 'state', 'opened', 'of', 'releases', 'current rows', 'reason'],
    recalls.map((recall) => [
      recall.id,
      recall.closed ? dim('closed') : red('open'),
      time(recall.opened_at),
      factText(recall),
      recall.release_count,
      count(recall.current.rows),
      recall.reason,
    ]),
  );
}

const names: Readonly<Record<Summary['fact'], string>> = {
  release: 'release',
  digest: 'digest',
  commits: 'commits',
  builder: 'built by',
  deploy: 'deploy',
  record: 'record',
};

function factText({ fact, asked, commits }: Summary): string {
  const many = fact === 'commits' ? ` (${counted(commits, 'commit')})` : '';
  return `${names[fact]} ${asked}${many}`;
}

/** A record counts once for each hook, which says nothing where a single one is recalled. */
function currentText({ fact, current: { rows, records, is_exact } }: Summary): Line {
  if (rows === 0) return green('no row of it is current');
  const of = fact === 'record' ? '' : ` of ${counted(records, 'record')}`;
  return yellow(`${is_exact ? '' : 'at least '}${counted(rows, 'row')}${of}`);
}

/** The recall of a record names no recompute: any release would read the same bad record. */
function nextLines({ id, fact, closed, current, releases }: Recall): Line[] {
  if (closed || current.rows === 0 || fact === 'record') return [];
  const hooks = [...new Set(releases.map(({ hook }) => hook))];
  return [
    '',
    'to compute current rows again with a release that is not recalled:',
    ...hooks.map((hook) => line`  ${bold(`osa hooks recompute ${hook} --recalled ${id}`)}`),
  ];
}
