import type { ParsedBody } from '../../api/index.ts';
import { everything, requireScope } from '../../auth/scope.ts';
import { OsaError } from '../../error.ts';
import type { Store, Writer, WriteTransaction } from '../../store.ts';
import type { Chosen, Selection } from '../impacts.ts';
import { choose, selectionOf } from '../selection.ts';
import { type NewRecall, type Recall, unknownRecall } from './recalls.ts';

type Request = ParsedBody<'openRecall'>;

/**
 * Recalls what a fact selects. From the answer on every reader sees the notice.
 *
 * @throws OsaError `invalid` (not exactly one fact, nothing selected), `not_found` (hook, release, deploy, record),
 * `access_denied`
 */
export async function openRecall(store: Store, writer: Writer, request: Request): Promise<Recall> {
  const { reason, advice, range, ...asked } = request;
  if (range !== undefined && asked.commits === undefined) {
    throw new OsaError('invalid', 'range: it says where commits come from; give the commits too', {
      field: 'range',
    });
  }
  const selection = await selectionOf(store, asked);
  return store.write(writer, async (parts) => {
    const chosen = await choose((...given) => parts.recalls.select(...given), selection);
    await requireRight(writer, parts, chosen);
    const notice = { ...factOf(selection, request), reason, advice: advice ?? null };
    if (isNothing(chosen)) throw selectsNothing(notice);
    const made = await parts.recalls.open(notice, chosen);
    await parts.event('recall.opened', eventOf(made));
    return made;
  });
}

/** @throws OsaError `not_found`, `access_denied`, `conflict` (closed already) */
export async function closeRecall(
  store: Store,
  writer: Writer,
  id: string,
  { reason }: ParsedBody<'closeRecall'>,
): Promise<Recall> {
  return store.write(writer, async (parts) => {
    const chosen = await parts.recalls.chosen(id);
    if (!chosen) throw unknownRecall(id);
    await requireRight(writer, parts, chosen);
    const closed = await parts.recalls.close(id, reason);
    const recall = await parts.recalls.view(id);
    if (!recall) throw unknownRecall(id);
    if (!closed) throw closedAlready(recall);
    await parts.event('recall.closed', { recall: id, reason });
    return recall;
  });
}

/** For the hooks that are touched; a record is the concern of every hook. */
async function requireRight(
  { principal }: Writer,
  { recalls }: WriteTransaction,
  chosen: Chosen,
): Promise<void> {
  const hooks = chosen.record === null ? await recalls.hooksOf(chosen) : [everything];
  for (const hook of hooks) requireScope(principal, 'recalls:write', hook);
}

type Fact = Pick<NewRecall, 'fact' | 'asked' | 'commits'>;

function factOf(selection: Selection, { deploy, range }: Request): Fact {
  switch (selection.by) {
    case 'digest':
      return { fact: 'digest', asked: selection.digest, commits: [] };
    case 'builder':
      return { fact: 'builder', asked: selection.subject, commits: [] };
    case 'record':
      return { fact: 'record', asked: selection.srn, commits: [] };
    case 'commits':
      return { fact: 'commits', asked: range ?? rangeOf(selection.commits), commits: selection.commits };
    case 'releases': {
      if (deploy !== undefined) return { fact: 'deploy', asked: deploy.toLowerCase(), commits: [] };
      const [release] = selection.releases;
      return { fact: 'release', asked: `${release?.hook}@${release?.version}`, commits: [] };
    }
  }
}

function rangeOf(commits: readonly string[]): string {
  const [first = ''] = commits;
  return commits.length === 1 ? first : `${first} and ${commits.length - 1} more`;
}

function isNothing({ releases, platform, record }: Chosen): boolean {
  return releases.length === 0 && platform === null && record === null;
}

function selectsNothing({ fact, asked }: Fact): OsaError {
  const what = {
    release: 'no release is',
    digest: 'no release has, and no run ran on, the digest',
    commits: 'no release was built from',
    builder: 'no release was built by',
    deploy: 'no release was declared by the deploy',
    record: 'no record is',
  }[fact];
  return new OsaError(
    'invalid',
    `${what} ${asked}, so there is nothing to recall and nothing was stored; \`osa impact\` shows what a fact selects`,
    { field: fact === 'builder' ? 'built_by' : fact, details: { fact, asked } },
  );
}

function closedAlready({ id, closed }: Recall): OsaError {
  return new OsaError(
    'conflict',
    `recall ${id} was closed already, at ${closed?.at} by ${closed?.by.subject}: ${closed?.reason}`,
    { field: 'id' },
  );
}

const mostNamed = 100;

/** The event of a new recall, for the outbox. */
function eventOf({ id, fact, asked, reason, advice, releases, made }: Recall) {
  return {
    ...{ recall: id, fact, asked, reason, advice, rows: made.rows, records: made.records },
    releases: releases.slice(0, mostNamed).map(({ hook, version }) => `${hook}@${version}`),
    release_count: releases.length,
  };
}
