import type { Answer } from '../../api/index.ts';
import type { Sql } from '../connection/connect.ts';
import { releaseColumns, withConfigDigest } from '../registry/reads.ts';
import { digest, utc } from '../wire.ts';
import { attemptColumns, oomRetries } from './columns.ts';
import { remember } from './remember.ts';

type RowTrace = Answer<'traceRow'>;

/** Facts about a row's run and the release that it ran that never change once they are stored. */
export interface Facts {
  /** How its run went, of which batch. */
  run(id: string): Promise<RunFacts | undefined>;
  /** Its further sources grow: they are looked at unless the hook has none at all. */
  release(hook: string, version: number, hookHasSources: boolean): Promise<ReleaseFacts | undefined>;
  /** The facts that published records share. */
  recordSet(id: number): Promise<RecordSet | undefined>;
  /** The ingestion of a batch, the deposition that it is a submission of, and when its releases were chosen. */
  batch(id: string): Promise<BatchFacts | undefined>;
}

export interface BatchFacts {
  readonly ingestion: string;
  readonly deposition: RowTrace['record']['deposition'];
  readonly snapshot_at: string | null;
}

export interface RunFacts {
  readonly version: number;
  readonly run: Omit<RowTrace['run'], 'snapshot_at' | 'log_pruned_at' | 'recalled'>;
}

export interface ReleaseFacts {
  readonly release: Omit<RowTrace['release'], 'live_version' | 'is_live' | 'recalled'>;
  readonly hook: RowTrace['hook'];
}

export interface RecordSet {
  readonly convention: string;
  readonly domain: string;
  readonly schema_id: RowTrace['record']['schema_id'];
}

/** A run takes about a kilobyte, a release as much as its config. */
const mostRuns = 4_096;
const mostReleases = 256;

/** Kept for the life of `sql`. Nothing here can contradict a later answer, since none of it changes. */
export function facts(sql: Sql): Facts {
  const runs = remember(mostRuns, (id) => findRun(sql, id), isOver);
  const batches = remember(
    mostRuns,
    (id) => findBatch(sql, id),
    ({ snapshot_at }) => snapshot_at !== null,
  );
  const sets = remember(mostRuns, (id) => findSet(sql, id));
  // A release that was never live may become so.
  const releases = remember(
    mostReleases,
    (key) => {
      const { hook, version } = JSON.parse(key) as { hook: string; version: number };
      return findRelease(sql, hook, version);
    },
    ({ release }) => release.introduced_by !== null,
  );
  return {
    run: runs,
    batch: batches,
    recordSet: (id) => sets(String(id)),
    async release(hook, version, hookHasSources) {
      const sources = hookHasSources ? await countSources(sql, hook, version) : 0;
      return releases(JSON.stringify({ hook, version, sources }));
    },
  };
}

function isOver({ run }: RunFacts): boolean {
  return run.finished_at !== null && run.attempts.every((attempt) => attempt.finished_at !== null);
}

async function findRun(sql: Sql, id: string): Promise<RunFacts | undefined> {
  const [found] = await sql<RunFacts[]>`
    select run.version, (select to_jsonb(t) from (
      select run.id, run.batch, run.status, run.row_count, ${utc(sql, sql`run.started_at`)} as started_at,
             ${utc(sql, sql`run.finished_at`)} as finished_at, ${digest(sql, sql`run.input_digest`)} as input_digest,
             ${digest(sql, sql`run.output_digest`)} as output_digest, ${oomRetries(sql)} as oom_retries,
             coalesce((select jsonb_agg(to_jsonb(tried) order by tried.n) from (
               select ${attemptColumns(sql)} from attempts a where a.run = run.id) tried), '[]') as attempts) t) as run
    from runs run where run.id = ${id}`;
  return found;
}

async function findBatch(sql: Sql, id: string): Promise<BatchFacts | undefined> {
  const [found] = await sql<BatchFacts[]>`
    select b.ingestion, ${utc(sql, sql`b.snapshot_at`)} as snapshot_at,
      (select jsonb_build_object('id', d.id,
                'depositor', jsonb_build_object('issuer', a.issuer, 'subject', a.subject))
       from ingestions i join depositions d on d.id = i.deposition join actors a on a.id = d.owner
       where i.id = b.ingestion) as deposition
    from batches b where b.id = ${id}`;
  return found;
}

async function findSet(sql: Sql, id: string): Promise<RecordSet | undefined> {
  const [found] = await sql<RecordSet[]>`
    select convention, domain, jsonb_build_object('id', schema_id, 'version', schema_version) as schema_id
    from record_sets where id = ${id}`;
  return found;
}

async function countSources(sql: Sql, hook: string, version: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from release_sources where hook = ${hook} and version = ${version}`;
  return row?.count ?? 0;
}

async function findRelease(sql: Sql, hook: string, version: number): Promise<ReleaseFacts | undefined> {
  type Found = Omit<ReleaseFacts['release'], 'config_digest'> & { readonly is_live: boolean };
  const [found] = await sql<{ release: Found; hook: RowTrace['hook'] }[]>`
    select (select to_jsonb(t) from (
        select ${releaseColumns(sql)},
               (select jsonb_build_object('kind', c.kind, 'at', ${utc(sql, sql`c.at`)},
                         'actor', jsonb_build_object('issuer', who.issuer, 'subject', who.subject))
                from live_changes c join actors who on who.id = c.actor
                where c.hook = r.hook and c.to_version = r.version order by c.seq limit 1) as introduced_by) t) as release,
      jsonb_build_object('name', h.name, 'owner', h.owner, 'feature', h.feature) as hook
    from releases r
    join actors a on a.id = r.built_by
    join hooks h on h.name = r.hook
    where r.hook = ${hook} and r.version = ${version}`;
  if (!found) return undefined;
  const { is_live: _, ...release } = withConfigDigest(found.release);
  return { release, hook: found.hook };
}
