import type { Answer } from '@osa/core/api';
import { bytes, time, value, version } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { storedId } from '../../terminal/parse.ts';
import { pairs } from '../../terminal/table.ts';

export type Deposition = Answer<'showDeposition'>;
type Submission = Deposition['submissions'][number];

export const depositionJson =
  '{"id", "srn", "convention_id", "status", "metadata", "files": [{"name", "size", "sha256"}], "record_srn", "revision",\n' +
  '"owner", "submissions": [{"status", "reasons": [{"hook", "field", "status", "reason"}], "runs", "review", …}], …}';

/** The argument of every command about one deposition. */
export const idArgument = {
  id: {
    description: "the deposition's id, its first 4 or more characters, or its whole name urn:osa:…:dep:…",
    parse: (given: string) => storedId(given.trim().replace(/^urn:osa:[^:]+:dep:/i, '')),
  },
} as const;

/** Shown to the owner and to reviewers. */
export const scopes = ['depositions:review'] as const;

export function ifMatch({ revision }: { readonly revision: number }): string {
  return `"${revision}"`;
}

export function statusOf(status: Deposition['status']): Line {
  if (status === 'accepted') return green(status);
  return status === 'draft' ? 'draft' : yellow(status.replace('_', ' '));
}

/** A deposition with what it says, and what came of its newest submission. */
export function depositionLines(deposition: Deposition): Line[] {
  const { id, status, convention_id, owner, revision, record_srn, metadata, files, submissions } = deposition;
  const [newest, ...earlier] = submissions;
  return [
    line`deposition ${bold(id)}: ${statusOf(status)}, ${convention_id}`,
    ...pairs([
      ['owner', `${owner.subject} (${owner.issuer})`],
      ...(record_srn === null ? [] : [['record', record_srn] as const]),
      ['changed', `${time(deposition.updated_at)}, revision ${revision}`],
      ...(deposition.deleted_at ? [['deleted', time(deposition.deleted_at)] as const] : []),
      ...files.map((file) => ['file', `${file.name}  ${bytes(file.size)}`] as const),
      ...Object.entries(metadata).map(([name, content]) => [name, value(content)] as const),
    ]),
    ...(newest ? ['', ...submissionLines(newest)] : []),
    ...(earlier.length > 0 ? [dim(`${earlier.length} earlier: --json shows them`)] : []),
    ...nextLines(deposition),
  ];
}

function submissionLines({ status, submitted_at, waits, reasons, runs, review, ended }: Submission): Line[] {
  const state = status.replace('_', ' ');
  const shown = status === 'accepted' ? green(state) : status.startsWith('in_') ? yellow(state) : red(state);
  // Outcomes are stored with the decision; only what every hook has passed is in review.
  const open = status === 'in_review' ? 'passed' : 'not done';
  return [
    line`submitted ${time(submitted_at)}: ${shown}`,
    ...(waits === null ? [] : [line`  ${yellow('!')} ${waits}`]),
    ...runs.map(({ hook, version: of, outcome }) => line`  ${hook} ${version(of)}  ${outcome ?? open}`),
    ...reasons.map(
      ({ hook, reason }) => line`  ${red('✗')} ${hook ?? review?.actor.subject ?? 'osa'}: ${reason}`,
    ),
    ...(ended ? [line`  ended by ${ended.actor.subject} at ${time(ended.at)}: ${ended.reason}`] : []),
    ...(review ? [line`  ${review.decision} by ${review.actor.subject} at ${time(review.at)}`] : []),
  ];
}

function nextLines({ id, status, submissions, record_srn }: Deposition): Line[] {
  const [newest] = submissions;
  if (status === 'accepted') return [`next: osa trace ${record_srn ?? ''}`];
  if (status !== 'draft') return [];
  if (newest?.status === 'rejected')
    return [`next: osa depositions edit ${id} …, then osa depositions submit ${id}`];
  return [`next: osa depositions submit ${id}`];
}
