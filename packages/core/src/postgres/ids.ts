import type { IdReads } from '../store.ts';
import type { Database } from './connection/connect.ts';
import { isShown, isShownIngestion } from './deposition/private.ts';
import { depositionIds } from './deposition/reads.ts';

type Found = Awaited<ReturnType<IdReads['between']>>[number];

export function idReads({ sql }: Pick<Database, 'sql'>): IdReads {
  return {
    between(kind, { first, last, limit }) {
      const columns = {
        ingestion: sql`id, convention as name, sealed_at as at from ingestions`,
        recompute: sql`id, hook as name, created_at as at from recomputes`,
        recall: sql`id, asked as name, opened_at as at from recalls`,
        comparison: sql`id, hook as name, created_at as at from comparisons`,
        replay: sql`id, coalesce(hook, kind) as name, created_at as at from replays`,
        run: sql`id, hook as name, created_at as at from runs`,
        deploy: sql`id, slug as name, at from deploys`,
      };
      const shown = {
        ingestion: isShownIngestion(sql, sql`ingestions.id`),
        run: isShown(sql, sql`runs.batch`),
      };
      const isSeen = kind === 'ingestion' || kind === 'run' ? shown[kind] : sql`true`;
      return sql<Found[]>`
        select ${columns[kind]} where id between ${first} and ${last} and ${isSeen} order by id desc limit ${limit}`;
    },
    depositions: (reader, range) => depositionIds(sql, reader, range),
  };
}
