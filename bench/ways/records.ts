import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@osa/core/hook/release';
import { openCopier } from '../copy.ts';
import { type BenchDatabase, benchDatabase } from '../database.ts';
import { type Options, type Result, timed } from '../report.ts';
import { processSeconds, serverSeconds } from './cpu.ts';
import { deployTrivial, type Fleet, ndjson, startFleet, upload } from './daemon.ts';

const batchSize = 1_000;

/** Records in: NDJSON over HTTP, checked, stored and sealed, against COPY of the same lines and of the same columns. */
export async function benchRecords({ quick, log, signal }: Options): Promise<Result[]> {
  const count = quick ? 10_000 : 100_000;
  const rounds = quick ? 2 : 5;
  const place = await benchDatabase();
  const copier = await openCopier(place.ownerUrl);
  const fleet = await startFleet(place, { args: ['--no-worker'] });
  const directory = await mkdtemp(join(tmpdir(), 'osa-bench-'));
  try {
    await deployTrivial(fleet);
    await place.owner.sql.unsafe(`create table plain_lines (line jsonb);
      create table keyed_lines (like batch_records including defaults including indexes including constraints including identity)`);
    const used = await usage(place, fleet);
    const sides = { ours: [] as number[], plain: [] as number[], keyed: [] as number[] };
    const cpu = { daemon: [] as number[], server: [] as number[] };
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      const body = ndjson(`r${round}`, count);
      const files = { plain: join(directory, 'plain'), keyed: join(directory, 'keyed') };
      await writeFile(files.plain, body);
      await writeFile(files.keyed, keyedText(body));
      await place.settle();
      const before = await used();
      const ours = await timed(() => upload(fleet, body, batchSize));
      const after = await used();
      await place.settle();
      const plain = await copier.copy('', 'plain_lines (line)', files.plain);
      await place.settle();
      const columns = 'batch, source_id, line, metadata, content_digest';
      const keyed = await copier.copy('', `keyed_lines (${columns})`, files.keyed);
      log(`round ${round} of ${rounds}: ${[ours, plain, keyed].map(Math.round).join(', ')} ms`);
      if (round === 0) continue;
      sides.ours.push((count * 1_000) / ours);
      sides.plain.push((count * 1_000) / plain);
      sides.keyed.push((count * 1_000) / keyed);
      cpu.daemon.push(after.daemon - before.daemon);
      cpu.server.push(after.server - before.server);
    }
    const each = (values: readonly number[]) =>
      ((values.reduce((sum, value) => sum + value, 0) / values.length / count) * 10_000).toFixed(2);
    const common = {
      what: `uploads of ${count.toLocaleString('en-US')} records of 95 bytes a line, new sources each time, in batches of ${batchSize}`,
      unit: 'records/s',
      ours: sides.ours,
      notes: [
        `processor seconds for 10,000 records: daemon ${each(cpu.daemon)}, PostgreSQL ${each(cpu.server)}`,
        `${place.server}; ${copier.client}`,
      ],
    };
    return [
      {
        ...common,
        name: 'records in, plain lines',
        limit: 'COPY of the same lines into a table of one jsonb column without a key',
        theirs: sides.plain,
        target: { atLeast: 0.25 },
      },
      {
        ...common,
        name: 'records in, keyed lines',
        limit: 'COPY into a table with the columns, keys and checks of batch_records',
        theirs: sides.keyed,
        target: { atLeast: 0.7 },
      },
    ];
  } finally {
    await fleet.close();
    await copier.close();
    await place.close();
    await rm(directory, { recursive: true });
  }
}

async function usage(place: BenchDatabase, { daemons: [daemon] }: Fleet) {
  const [row] = await place.owner.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  return async () => ({
    daemon: (await processSeconds(daemon?.process.pid)) ?? Number.NaN,
    server: (await serverSeconds(row?.pid ?? 0)) ?? Number.NaN,
  });
}

/** The same records as `batch_records` keeps them, in the text format of COPY. */
function keyedText(body: string): string {
  const lines = body.trimEnd().split('\n');
  const batch = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const prefix = Math.floor(Math.random() * 1e6) * 1e6;
  return lines
    .map((line, index) => {
      const { source_id, metadata } = JSON.parse(line) as { source_id: string; metadata: unknown };
      const content = JSON.stringify(metadata);
      const cells = [batch(prefix + Math.floor(index / batchSize)), source_id, index + 1, content];
      return `${cells.join('\t')}\t\\\\x${sha256(content)}\n`;
    })
    .join('');
}
