import { connect } from '@osa/core/postgres/connection/connect';
import { makeRows, rowsPerBatch } from './batch-rows.ts';
import { type BenchDatabase, benchDatabase } from './database.ts';
import { deployDataset } from './dataset.ts';
import type { Options, Result } from './report.ts';

/** Bytes that the shape before this one took, for the same records and rows: see bench/README.md. */
const before = { record: 1_632, row: 190 };

/** Tables that grow with each record. */
const growing = ['batch_records', 'sources', 'outcomes', 'records', 'batches', 'runs'].map(
  (name) => `public.${name}`,
);

interface Relation {
  readonly name: string;
  readonly heap: number;
  readonly total: number;
}

/** Bytes on disk of a published record with all that belongs to it, and of a row. */
export async function benchDisk({ quick, signal }: Options): Promise<Result[]> {
  const batches = quick ? 1 : 5;
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 4, applicationName: 'osa bench' });
  try {
    const dataset = await deployDataset(database, 'stored');
    for (let index = 0; index < batches; index++) {
      signal.throwIfAborted();
      for (const { claim, result } of await dataset.hold([makeRows(index, rowsPerBatch)]))
        await dataset.queue.finish(claim, [result]);
    }
    return report(await relations(place), batches * rowsPerBatch, place.server);
  } finally {
    await database.close();
    await place.close();
  }
}

function report(all: readonly Relation[], records: number, server: string): Result[] {
  const each = (bytes: number) => Math.round(bytes / records);
  const rows = all.filter(({ name }) => name.startsWith('features.'));
  const others = all.filter(({ name }) => growing.includes(name));
  const sum = (some: readonly Relation[]) => each(some.reduce((bytes, { total }) => bytes + total, 0));
  const parts = others.map(
    ({ name, heap, total }) => `${name.replace('public.', '')} ${each(heap)} + ${each(total - heap)}`,
  );
  const result = {
    what: `${records.toLocaleString('en-US')} records of 70 bytes of metadata with a row of six columns, indexes included`,
    limit: 'the same before metadata was stored once',
    unit: 'bytes',
  };
  return [
    {
      ...result,
      name: 'disk, a record',
      ours: [sum(others)],
      theirs: [before.record],
      target: { atMost: 0.67 },
      notes: [`table + indexes: ${parts.join(', ')}`, server],
    },
    {
      ...result,
      name: 'disk, a row',
      ours: [sum(rows)],
      theirs: [before.row],
      target: { atMost: 1.05 },
      notes: [],
    },
  ];
}

function relations({ owner }: BenchDatabase): Promise<readonly Relation[]> {
  return owner.sql<Relation[]>`
    select n.nspname || '.' || c.relname as name, pg_relation_size(c.oid)::float8 as heap,
           pg_total_relation_size(c.oid)::float8 as total
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'features') and c.relkind = 'r' order by total desc`;
}
