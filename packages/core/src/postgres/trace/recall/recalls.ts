import { v7 as uuid7 } from 'uuid';
import { OsaError } from '../../../error.ts';
import type { Chosen } from '../../../trace/impacts.ts';
import type {
  NewRecall,
  Recall,
  RecalledPart,
  RecallReads,
  RecallWrites,
} from '../../../trace/recall/recalls.ts';
import { arrayText } from '../../array.ts';
import type { Database, Transaction } from '../../connection/connect.ts';
import { useIndexLookups } from '../../queue/plans.ts';
import { choose, namedReleases, touchedReleases } from '../selection.ts';
import { chosenBy, listRecalls, recallView } from './views.ts';

export function recallReads({ sql }: Pick<Database, 'sql'>): RecallReads {
  return {
    list: (query) => listRecalls(sql, query),
    show: (id) => recallView(sql, id),
    chosen: (id) => chosenBy(sql, id),
  };
}

export function recallWrites(tx: Transaction, actor: number): RecallWrites {
  return {
    async select(selection, most) {
      await useIndexLookups(tx);
      // The making of a release holds it shared (`follow_recalls`).
      await tx`select pg_advisory_xact_lock(hashtext('osa.recalls'), 0)`;
      return choose(tx, selection, most);
    },
    async hooksOf(chosen) {
      return [...new Set((await touchedReleases(tx, chosen)).map(({ hook }) => hook))];
    },
    open: (notice, chosen) => open(tx, actor, notice, chosen),
    chosen: (id) => chosenBy(tx, id),
    async close(id, reason) {
      const closed = await tx`
        insert into recall_closings (recall, reason, actor) values (${id}, ${reason}, ${actor})
        on conflict do nothing returning recall`;
      return closed.length > 0;
    },
    view: (id) => recallView(tx, id),
    partOf: (id, hook) => partOf(tx, id, hook),
  };
}

async function open(
  tx: Transaction,
  actor: number,
  { fact, asked, commits, reason, advice }: NewRecall,
  { releases, record }: Chosen,
): Promise<Recall> {
  const id = uuid7();
  await tx`
    insert into recalls (id, fact, asked, reason, advice, actor)
    values (${id}, ${fact}, ${asked}, ${reason}, ${advice}, ${actor})`;
  await tx`
    insert into recall_commits (recall, commit)
    select distinct ${id}::uuid, c from unnest(${arrayText(commits)}::text::text[]) as given (c)`;
  await tx`
    insert into recall_releases (recall, hook, version)
    select ${id}, hook, version from (${namedReleases(tx, releases)}) n`;
  if (record !== null) {
    await tx`insert into recall_records (recall, batch_record) values (${id}, ${record}::text::bigint)`;
  }
  const made = await recallView(tx, id);
  if (!made) throw new OsaError('internal', `recall ${id} was stored and is not there`);
  return made;
}

async function partOf(tx: Transaction, id: string, hook: string): Promise<RecalledPart | undefined> {
  const chosen = await chosenBy(tx, id);
  if (!chosen) return undefined;
  const [state] = await tx<{ is_closed: boolean; srn: string | null }[]>`
    select exists (select from recall_closings where recall = ${id}) as is_closed,
           (select asked from recalls where id = ${id} and fact = 'record') as srn`;
  const touched = chosen.record === null ? await touchedReleases(tx, chosen) : [];
  return {
    isClosed: state?.is_closed === true,
    srn: state?.srn ?? null,
    releases: touched.filter((release) => release.hook === hook).map(({ version }) => version),
  };
}
