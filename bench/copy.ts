import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Database } from '@osa/core/postgres/connection/connect';
import { execa } from 'execa';
import postgres from 'postgres';
import { contract } from './batch-rows.ts';
import type { HeldBatch } from './dataset.ts';

/** The limit: COPY of prepared text into a feature table, on one connection. */
export interface Copier {
  /** Such as `psql (PostgreSQL) 15.18`. */
  readonly client: string;
  /** Runs `before`, then COPY and COMMIT, in one transaction; gives the milliseconds that COPY and COMMIT take. */
  copy(before: string, into: string, file: string): Promise<number>;
  close(): Promise<void>;
}

/** By `\copy` of psql where that is installed, else by COPY from the driver, as the application's role. */
export async function openCopier(url: string): Promise<Copier> {
  const psql = await execa('psql', ['--version'], { reject: false });
  return psql.failed ? driverCopier(url) : psqlCopier(url, psql.stdout);
}

function psqlCopier(url: string, client: string): Copier {
  const env = libpqEnvironment(url);
  return {
    client,
    async copy(before, into, file) {
      const script = ['begin;', before, '\\timing on', `\\copy ${into} from '${file}'`, 'commit;', ''].join(
        '\n',
      );
      const { stdout } = await execa('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1'], { env, input: script });
      const times = [...stdout.matchAll(/^Time: ([\d.]+) ms/gm)].map((match) => Number(match[1]));
      if (times.length !== 2) throw new Error(`psql gave ${times.length} times instead of 2: ${stdout}`);
      return times.reduce((sum, time) => sum + time, 0);
    },
    close: async () => undefined,
  };
}

function driverCopier(url: string): Copier {
  const { PGHOST = '', PGPORT, PGUSER = '', PGPASSWORD = '', PGDATABASE = '' } = libpqEnvironment(url);
  const sql = postgres({
    host: PGHOST,
    port: Number(PGPORT),
    username: PGUSER,
    password: PGPASSWORD,
    database: PGDATABASE,
    max: 1,
  });
  return {
    client: 'COPY from postgres.js',
    async copy(before, into, file) {
      const connection = await sql.reserve();
      await connection.unsafe(`begin; ${before}`);
      const start = performance.now();
      const target = await connection.unsafe(`copy ${into} from stdin`).writable();
      // The driver does not settle a COPY that fails.
      await pipeline(createReadStream(file, { highWaterMark: 2 ** 18 }), target, {
        signal: AbortSignal.timeout(120_000),
      });
      await connection.unsafe('commit');
      const milliseconds = performance.now() - start;
      connection.release();
      return milliseconds;
    },
    close: () => sql.end(),
  };
}

function libpqEnvironment(url: string): Record<string, string> {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  return {
    PGHOST: searchParams.get('host') ?? hostname,
    PGPORT: searchParams.get('port') ?? (port || '5432'),
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
    PGSSLMODE: searchParams.get('sslmode') ?? 'prefer',
  };
}

/**
 * Copies what the batches' hook answered. The feature table takes rows only of outcomes that the same transaction
 * has written, so those are written first, untimed: their ids are drawn before, since the file holds them.
 */
export async function copyBatches(
  copier: Copier,
  owner: Database,
  batches: readonly HeldBatch[],
): Promise<number> {
  const parts: string[] = [];
  const before: string[] = [];
  for (const batch of batches) {
    const first = await reserveOutcomes(owner, batch.rows.recordIds.length);
    parts.push(copyText(batch, first));
    before.push(endBatch(batch, first));
  }
  const columns = ['run_id', 'outcome_id', 'ordinal', ...contract.columns.map(({ name }) => name)];
  const into = `features.${batches[0]?.result.run.hook} (${columns.join(', ')})`;
  const directory = await mkdtemp(join(tmpdir(), 'osa-bench-'));
  const file = join(directory, 'rows');
  try {
    await writeFile(file, parts.join(''));
    return await copier.copy(before.join('\n'), into, file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/**
 * Outcomes are taken only by the transaction that ends their batch and run, and a batch ends only with all of its
 * records. Publishing them is not part of the limit: they end as errored, which asks nothing more.
 */
function endBatch({ claim, result, rows }: HeldBatch, first: number): string {
  const records = rows.recordIds.length;
  const count = records * rows.rowsPerRecord;
  const [batch, run] = [claim.batch, result.run.id];
  const ids = claim.records.map(({ id }) => id).join(',');
  return [
    `update batches set status = 'done', lease_until = null, finished_at = now(), errored = ${records}, rows = ${count}`,
    `where id = '${batch}';`,
    `update runs set status = 'passed', finished_at = now(), row_count = ${count} where id = '${run}';`,
    'insert into outcomes (id, run, batch, hook, batch_record, attempt, status, row_count) overriding system value',
    `select ${first} + n - 1, '${run}', '${batch}', '${result.run.hook}', r, ${result.attempt}, 'passed',`,
    `${rows.rowsPerRecord} from unnest('{${ids}}'::bigint[]) with ordinality as records (r, n);`,
    `update batch_records set status = 'errored', reason = 'benchmark' where batch = '${batch}';`,
  ].join('\n');
}

/** Draws consecutive ids: nobody else is at work on this database meanwhile. */
async function reserveOutcomes({ sql }: Database, count: number): Promise<number> {
  const [row] = await sql<{ first: string; count: string }[]>`
    select min(id) as first, max(id) - min(id) + 1 as count
    from (select nextval(pg_get_serial_sequence('outcomes', 'id')) as id from generate_series(1, ${count}::integer)) ids`;
  if (Number(row?.count) !== count) throw new Error('somebody else draws outcome ids');
  return Number(row?.first);
}

/** The text format of COPY; no cell holds a tab, a line end or a backslash. */
function copyText({ result, rows }: HeldBatch, first: number): string {
  const { columns, recordIds, rowsPerRecord } = rows;
  const lines: string[] = [];
  for (let row = 0; row < recordIds.length * rowsPerRecord; row++) {
    const outcome = first + Math.floor(row / rowsPerRecord);
    const cells = columns.map((cells) => cells[row]);
    lines.push([result.run.id, outcome, row % rowsPerRecord, ...cells].join('\t'));
  }
  return `${lines.join('\n')}\n`;
}
