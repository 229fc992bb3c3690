import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { release } from '@osa/core/hook/mint';
import { sha256 } from '@osa/core/hook/release';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import { makeRows } from '../batch-rows.ts';
import { benchDatabase } from '../database.ts';
import { deployDataset, principal } from '../dataset.ts';
import { median, timed } from '../report.ts';
import type { Point } from './svg.ts';

/** Each step measures what one call costs when there is so much of something, a few times, and takes the median. */
const repeats = 5;

async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 4, applicationName: 'osa bench' });
  try {
    return await work(database);
  } finally {
    await database.close();
    await place.close();
  }
}

async function medianOf(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let repeat = 0; repeat <= repeats; repeat++) times.push(await measure());
  // The first one fills caches.
  return median(times.slice(1));
}

/** The commit of a batch of so many records, a row each. */
export function recordsOfABatch(sizes: readonly number[], signal: AbortSignal): Promise<Point[]> {
  return commits(sizes, signal, (size) => ({ records: size, rowsPerRecord: 1 }));
}

/** The commit of a batch of ten records with so many rows each. */
export function rowsOfARecord(sizes: readonly number[], signal: AbortSignal): Promise<Point[]> {
  return commits(sizes, signal, (size) => ({ records: 10, rowsPerRecord: size }));
}

function commits(
  sizes: readonly number[],
  signal: AbortSignal,
  shape: (size: number) => { readonly records: number; readonly rowsPerRecord: number },
): Promise<Point[]> {
  return withDatabase(async (database) => {
    const dataset = await deployDataset(database, 'grown');
    let index = 0;
    const measure = async (size: number) => {
      const { records, rowsPerRecord } = shape(size);
      const [held] = await dataset.hold([makeRows(index++, records, rowsPerRecord)]);
      if (!held) throw new Error('no batch is held');
      return timed(() => dataset.queue.finish(held.claim, [held.result]));
    };
    return pointsOf(sizes, signal, (size) => medianOf(() => measure(size)));
  });
}

/** From the upload to the commit of one source that has so many versions. */
export function versionsOfASource(sizes: readonly number[], signal: AbortSignal): Promise<Point[]> {
  return withDatabase(async (database) => {
    const dataset = await deployDataset(database, 'grown');
    let versions = 0;
    const add = async () => {
      versions += 1;
      for (const { claim, result } of await dataset.hold([makeRows(0, 1, 1)]))
        await dataset.queue.finish(claim, [result]);
    };
    return pointsOf(sizes, signal, async (size) => {
      while (versions < size) {
        signal.throwIfAborted();
        await add();
      }
      return medianOf(() => timed(add));
    });
  });
}

/** A release of a hook that has so many. */
export function releasesOfAHook(sizes: readonly number[], signal: AbortSignal): Promise<Point[]> {
  return withDatabase(async (database) => {
    const store = postgresStore(database, { domain: 'localhost' });
    await deploy(store, { principal }, declaration('bench-grown', 1));
    let releases = 1;
    const add = async () => {
      const digest = `sha256:${sha256(String(releases++))}`;
      await release(store, { principal }, 'bench_grown_0', {
        digest,
        source_ref: 'git+https://example.org@1',
        live: true,
      });
    };
    return pointsOf(sizes, signal, async (size) => {
      while (releases < size) {
        signal.throwIfAborted();
        await add();
      }
      return medianOf(() => timed(add));
    });
  });
}

/** A deploy that changes nothing, of a convention with so many hooks. */
export function hooksOfAConvention(sizes: readonly number[], signal: AbortSignal): Promise<Point[]> {
  return withDatabase(async (database) => {
    const store = postgresStore(database, { domain: 'localhost' });
    return pointsOf(sizes, signal, async (size) => {
      const request = declaration(`bench-${size}`, size);
      return medianOf(() => timed(() => deploy(store, { principal }, request)));
    });
  });
}

/** The claim of a batch among so many conventions. */
export function conventions(sizes: readonly number[], signal: AbortSignal): Promise<Point[]> {
  return withDatabase(async (database) => {
    const store = postgresStore(database, { domain: 'localhost' });
    const dataset = await deployDataset(database, 'grown');
    let made = 1;
    let index = 0;
    return pointsOf(sizes, signal, async (size) => {
      while (made < size) {
        signal.throwIfAborted();
        await deploy(store, { principal }, declaration(`bench-c${made++}`, 1));
      }
      return medianOf(() => timed(() => dataset.hold([makeRows(index++, 1, 1)])));
    });
  });
}

async function pointsOf(
  sizes: readonly number[],
  signal: AbortSignal,
  measure: (size: number) => Promise<number>,
): Promise<Point[]> {
  const points: Point[] = [];
  for (const size of sizes) {
    signal.throwIfAborted();
    points.push({ size, time: await measure(size) });
  }
  return points;
}

function declaration(slug: string, hooks: number): DeployRequest {
  const columns = [{ name: 'value', json_type: 'number', required: true }];
  const digest = `sha256:${'0'.repeat(64)}`;
  return DeployRequest.parse({
    slug,
    title: slug,
    description: 'A dataset for benchmarks',
    schema: {
      id: slug,
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: Array.from({ length: hooks }, (_, index) => ({
      name: `${slug.replaceAll('-', '_')}_${index}`,
      feature: { cardinality: 'one', columns },
      release: { image: 'bench', digest, source_ref: 'git+https://example.org@1' },
    })),
  });
}
