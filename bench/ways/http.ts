import { connect } from '@osa/core/postgres/connection/connect';
import { Client } from 'undici';
import { makeRows, rowsPerBatch } from '../batch-rows.ts';
import { type BenchDatabase, benchDatabase } from '../database.ts';
import { deployDataset } from '../dataset.ts';
import { inTurn, type Options, quantile, type Result } from '../report.ts';
import { startFleet } from './daemon.ts';

const hook = 'traced';
const pageRows = 1_000;

/** A trace and a page of rows over HTTP, each against the least that the same way costs. */
export async function benchHttp(options: Options): Promise<Result[]> {
  const batches = options.quick ? 2 : 20;
  const rows = batches * rowsPerBatch;
  const place = await benchDatabase();
  await fill(place, batches, options.signal);
  const fleet = await startFleet(place, { args: ['--no-worker'] });
  const client = new Client(fleet.http.url);
  try {
    const headers = { authorization: await fleet.http.bearer({ lifetimeSeconds: 3_600 }) };
    const get = async (path: string) => {
      const { statusCode, body } = await client.request({ method: 'GET', path, headers });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`${path} was answered with ${statusCode}: ${text}`);
      return text;
    };
    const random = (most: number) => 1 + Math.floor(Math.random() * most);
    const traces = await inTurn(options.quick ? 300 : 3_000, options, {
      ours: () => get(`/api/v1/trace/rows/${hook}/${random(rows)}`),
      theirs: () => get('/health'),
    });
    const first = `/api/v1/data/bench-${hook}/${hook}?limit=${pageRows}`;
    const cursors = await walk(get, first, Math.min(20, rows / pageRows - 1));
    const pages = await inTurn(options.quick ? 20 : 200, options, {
      ours: () => get(`${first}&cursor=${cursors[random(cursors.length) - 1]}`),
      theirs: () => place.owner.sql`
        select row_to_json(f)::text from ${place.owner.sql(`features.${hook}`)} f
        where id > ${random(rows - pageRows)} order by id limit ${pageRows}`,
    });
    const stored = `of ${rows.toLocaleString('en-US')}`;
    return [
      {
        name: 'trace over HTTP',
        what: `${traces.ours.length} random rows ${stored}, one after the other over one connection`,
        limit: '`/health` over the same connection',
        unit: 'ms',
        ...traces,
        target: { atMost: 2 },
        notes: [`p99: ${quantile(traces.ours, 0.99).toPrecision(3)} ms`],
      },
      {
        name: 'a page of 1,000 rows',
        what: `${pages.ours.length} random pages ${stored} over HTTP`,
        limit: '`select row_to_json` of as many rows',
        unit: 'ms',
        ...pages,
        target: { atMost: 2 },
        notes: [],
      },
    ];
  } finally {
    await client.close();
    await fleet.close();
    await place.close();
  }
}

/** The cursors of the first pages. */
async function walk(get: (path: string) => Promise<string>, first: string, pages: number): Promise<string[]> {
  const cursors: string[] = [];
  for (let path = first; cursors.length < pages; ) {
    const { next_cursor } = JSON.parse(await get(path)) as { next_cursor: string };
    cursors.push(next_cursor);
    path = `${first}&cursor=${next_cursor}`;
  }
  return cursors;
}

async function fill(place: BenchDatabase, batches: number, signal: AbortSignal): Promise<void> {
  const database = connect({ url: place.appUrl, max: 4, applicationName: 'osa bench' });
  const dataset = await deployDataset(database, hook);
  for (let index = 0; index < batches; index++) {
    signal.throwIfAborted();
    for (const { claim, result } of await dataset.hold([makeRows(index, 1_000)]))
      await dataset.queue.finish(claim, [result]);
  }
  await place.owner.sql`vacuum`;
  await database.close();
}
