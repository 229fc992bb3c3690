import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Database } from '@osa/core/postgres/connection/connect';
import { migrate, requireMigrated } from '@osa/core/postgres/migrate';
import { migrations } from '@osa/core/postgres/migrations/index';
import { checkArchive } from '@osa/daemon/upkeep/restored';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { scratch, until } from '../support/database/database.ts';
import { type EmptyDatabase, emptyDatabase } from '../support/database/empty-database.ts';

/** Databases that released programs have filled, under the migrations and the daemon of this checkout. */

const directory = fileURLToPath(new URL('.', import.meta.url));
const versions = (await readdir(directory)).flatMap((name) => /^(.+)\.sql\.gz$/.exec(name)?.[1] ?? []);

describe.each(versions)('a database of %s', (version) => {
  let database: EmptyDatabase;
  let owner: Database;
  let data: Awaited<ReturnType<typeof scratch>>;
  let before: Awaited<ReturnType<typeof contents>>;
  let columns: readonly Column[];
  let released: readonly string[];
  let daemon: TestDaemon;

  beforeAll(async () => {
    database = await emptyDatabase();
    data = await scratch();
    await cp(join(directory, `${version}.blobs`), join(data.path, 'blobs'), { recursive: true });
    const dump = gunzipSync(await readFile(join(directory, `${version}.sql.gz`))).toString('utf8');
    // The dump sets up its session, which nobody uses afterwards.
    const restoring = database.open();
    await restoring.sql.unsafe(dump);
    await restoring.close();
    owner = database.open();
    released = (await owner.sql<{ name: string }[]>`select name from schema_migrations order by name`).map(
      ({ name }) => name,
    );
    columns = await columnsOf(owner);
    before = await contents(owner, columns);
  }, 60_000);
  afterAll(async () => {
    await daemon?.close();
    await database.close();
    await data.dispose();
  });

  test('is brought up to date, and keeps all that it had', async () => {
    const { appRole } = database;
    const added = migrations.map(({ name }) => name).slice(released.length);
    expect(await migrate(owner, { appRole })).toEqual(added);
    await requireMigrated(owner);
    expect(await contents(owner, columns)).toEqual(before);
  });

  test('keeps each column as daemons of the release know it, and asks nothing new of their inserts', async () => {
    const now = await columnsOf(owner);
    const places = new Set(columns.map(({ place }) => place));
    for (const column of columns) expect(now).toContainEqual(column);
    const tables = new Set(columns.map(({ place }) => place.split('.').slice(0, 2).join('.')));
    const required = now.filter(
      ({ place, is_required }) =>
        is_required && !places.has(place) && tables.has(place.split('.').slice(0, 2).join('.')),
    );
    expect(required).toEqual([]);
  });

  test('is whole, as osad check --restored proves', async () => {
    const place = { environment: {}, config: undefined, data: data.path };
    const { text, ok } = await checkArchive({ ...place, url: database.url(), json: false });
    expect(text).toMatch(/every blob has its bytes, and every history is whole/);
    expect(ok).toBe(true);
  });

  test('is served by this daemon: traces, rows, the work that waited, an ingestion, a deploy and a rollback', async () => {
    await owner.sql.unsafe(`alter role "${database.appRole}" login password 'upgrade'`);
    const url = new URL(database.url());
    [url.username, url.password] = [database.appRole, 'upgrade'];
    daemon = await testDaemon({ dataDirectory: data.path, database: { url: url.href, connections: 5 } });

    const first = await daemon.call('traceRow', { params: { hook: 'doubled', id: 1 } });
    expect(first).toMatchObject({
      row: { values: { value: 2, of: 'reading 0' } },
      release: { version: 1, is_live: true },
      run: { status: 'passed', log_pruned_at: null, attempts: [{ ending: 'exited' }] },
    });
    const history = await daemon.call('history', { params: { name: 'doubled' } });
    expect(history.changes.map(({ kind }) => kind)).toEqual(['rollback', 'release', 'release']);

    // An ingestion that the release took in and never ran.
    const [waiting] = await owner.sql<
      { id: string }[]
    >`select id from ingestions order by sealed_at desc limit 1`;
    const id = waiting?.id ?? '';
    expect((await daemon.call('showIngestion', { params: { id } })).finished_at).toBeNull();
    await daemon.call('resumeHook', { params: { name: 'doubled' }, json: {} });
    await ended(id);
    const third = await owner.sql<{ value: number; release: number }[]>`
      select value, release from current.doubled where value in (60, 62) order by value`;
    expect(third).toEqual([
      { value: 60, release: 1 },
      { value: 62, release: 1 },
    ]);

    const body =
      '{"source_id":"new","metadata":{"value":100}}\n{"source_id":"s0","metadata":{"value":101}}\n';
    const { id: own } = await daemon.call('ingest', { params: { slug: 'stations' }, body });
    await ended(own);
    const rows = await daemon.call('readRows', {
      params: { schema: 'reading', feature: 'doubled' },
      query: { limit: 100 },
    });
    expect(rows.rows).toHaveLength(10);

    const { manifest } = await owner.sql<{ manifest: object }[]>`
      select manifest from deploys order by at desc limit 1`.then(([row]) => row ?? { manifest: {} });
    const again = await daemon.call('deploy', { json: manifest });
    expect(again.changed).toBe(false);
    await daemon.call('activate', {
      params: { name: 'doubled' },
      json: { version: 2, reason: 'tried again' },
    });
    const moved = await daemon.call('rollback', {
      params: { name: 'doubled' },
      json: { reason: 'and back' },
    });
    expect(moved).toMatchObject({ from_version: 2, live_version: 1 });
  });

  async function ended(id: string): Promise<void> {
    await until('the ingestion to end', async () => {
      const shown = await daemon.call('showIngestion', { params: { id } });
      return shown.finished_at !== null;
    });
  }
});

test('there is a database to upgrade', () => {
  expect(versions.length).toBeGreaterThan(0);
});

/** History and rows, in the columns that the release knew. */
async function contents({ sql }: Database, columns: readonly Column[]): Promise<readonly object[]> {
  const history = [
    'releases',
    'live_changes',
    'deploys',
    'records',
    'batch_records',
    'outcomes',
    'events',
    'actors',
  ];
  const tables = [...history.map((name) => `public.${name}`), 'features.doubled', 'features.digits'];
  const digests = tables.map((table) => {
    const known = columns.filter(({ place }) => place.startsWith(`${table}.`));
    const names = known.map(({ place }) => `"${place.split('.')[2]}"`).join(', ');
    return `select '${table}' as name, count(*)::integer as count,
      md5(string_agg(t::text, ',' order by t::text)) as digest from (select ${names} from ${table}) t`;
  });
  return sql.unsafe(digests.join(' union all '));
}

interface Column {
  /** Schema, table and column. */
  readonly place: string;
  readonly type: string;
  readonly is_nullable: boolean;
  /** Whether an insert must name it. */
  readonly is_required: boolean;
}

async function columnsOf({ sql }: Database): Promise<readonly Column[]> {
  return sql<Column[]>`
    select format('%s.%s.%s', n.nspname, c.relname, a.attname) as place, format_type(a.atttypid, a.atttypmod) as type,
           not a.attnotnull as is_nullable, a.attnotnull and not a.atthasdef and a.attidentity = '' as is_required
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'features') and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
    order by 1`;
}
