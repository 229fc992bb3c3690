import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Principal } from '@osa/core/auth/principal';
import { uploadFile } from '@osa/core/file/upload';
import { ingest } from '@osa/core/ingestion/ingest';
import { listIngestionRecords } from '@osa/core/ingestion/read';
import { retryIngestion } from '@osa/core/ingestion/retry';
import type { FileStore } from '@osa/core/storage/index';
import { filesystemFiles } from '@osa/core/storage/resumable-files';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, convention, coreArchive, hookCode } from '../support/core-archive.ts';
import { admin, scratch } from '../support/database/database.ts';

const rules = { accepted_types: ['.csv', '.txt'], min_count: 1, max_count: 2, max_file_size: 1_000 };
const columns = [{ name: 'seen', json_type: 'string', required: true }];
/** Says what it sees of the record's files: their names, contents and whether it can write them. */
const reading = `import { readdirSync } from 'node:fs';
${hookCode(`
  const place = process.env.OSA_FILES + '/' + id;
  const seen = readdirSync(place).sort().map((name) => name + '=' + readFileSync(place + '/' + name, 'utf8'));
  return { features: [{ seen: seen.join(';') }] };`)}`;

let archive: CoreArchive;
let place: Awaited<ReturnType<typeof scratch>>;
let files: FileStore;
beforeEach(async () => {
  place = await scratch();
  files = filesystemFiles(join(place.path, 'files'));
  archive = await coreArchive({ files });
});
afterEach(async () => {
  await archive.dispose();
  await place.dispose();
});

async function stored(name: string, text: string) {
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const parts = { store: archive.store, files, fileBytes: 10_000, uploadBytesPerDay: 2 ** 40 };
  const part = { slug: convention, sha256, offset: 0, size: bytes.length };
  await uploadFile(parts, { principal: admin }, part, async function* () {
    yield bytes;
  });
  return { name, sha256, size: bytes.length };
}

const record = (source_id: string, ...given: readonly object[]) => ({
  source_id,
  metadata: { value: 1 },
  files: given,
});

/** An upload by somebody else. */
async function ingestAs(principal: Principal, records: readonly object[]): Promise<string> {
  const text = records.map((one) => `${JSON.stringify(one)}\n`).join('');
  const upload = {
    sha256: createHash('sha256').update(text).digest('hex'),
    open: () => Readable.from([Buffer.from(text)]),
  };
  return (await ingest(archive.store, { principal }, { convention, batchSize: 10, upload })).id;
}

async function statuses(id: string) {
  const page = { limit: 100, cursor: undefined };
  const { items } = await listIngestionRecords(archive.store, admin, { id, ...page });
  return Object.fromEntries(items.map(({ source_id, status, reason }) => [source_id, reason ?? status]));
}

const page = { limit: 100, history: false, release: undefined };

test('a hook sees the files of each record under its id, and readers find them at the record', async () => {
  await archive.deploy({ reading: { code: reading, columns } }, { file_requirements: rules });
  const [one, two] = [await stored('one.csv', '1,2'), await stored('two.txt', 'two')];
  const { id } = await archive.ingest([record('a', two, one), record('B b', { ...one, name: 'x.csv' })]);
  await archive.drain();
  expect(await statuses(id)).toEqual({ a: 'published', 'B b': 'published' });
  const { rows } = await readRows(archive.store, 'bench-record', 'reading', page);
  expect(rows.map(({ seen }) => seen).sort()).toEqual(['one.csv=1,2;two.txt=two', 'x.csv=1,2']);
});

test('records whose files break the rules are invalid, with the reason', async () => {
  await archive.deploy({}, { file_requirements: rules });
  const one = await stored('one.csv', '1,2');
  const lying = await stored('lies.csv', '\0\0');
  const { id } = await archive.ingest([
    record('none'),
    record('gone', { ...one, sha256: '0'.repeat(64) }),
    record('size', { ...one, size: 4 }),
    record('type', { ...one, name: 'a.exe' }),
    record('lie', lying),
    record('a/b', one),
    record('good', one),
  ]);
  await archive.drain();
  expect(await statuses(id)).toEqual({
    none: expect.stringContaining('1 at least'),
    gone: expect.stringContaining('upload it first'),
    size: expect.stringContaining('it has 3 bytes'),
    type: expect.stringContaining('takes .csv, .txt'),
    lie: expect.stringContaining('is not text'),
    'a/b': expect.stringContaining('has a slash'),
    good: 'published',
  });
});

test('a digest that somebody else has sent opens nothing, until a record with it is published', async () => {
  await archive.deploy({}, { file_requirements: rules });
  const one = await stored('one.csv', '1,2');
  const feed = { issuer: 'feeds', subject: 'other', scopes: new Set(['ingestions:write']) };
  expect(await statuses(await ingestAs(feed, [record('theirs', one)]))).toEqual({
    theirs: expect.stringContaining('upload it first'),
  });
  await archive.ingest([record('ours', one)]);
  await archive.drain();
  const later = await ingestAs(feed, [record('again', one)]);
  await archive.drain();
  expect(await statuses(later)).toEqual({ again: 'published' });
});

test('another file makes another version, and the same files none', async () => {
  await archive.deploy({}, { file_requirements: rules });
  const [one, two] = [await stored('x.csv', '1'), await stored('x.csv', '2')];
  for (const [file, status] of [
    [one, 'published'],
    [one, 'unchanged'],
    [two, 'published'],
  ] as const) {
    const { id } = await archive.ingest([record('a', file)]);
    await archive.drain();
    expect(await statuses(id)).toEqual({ a: status });
  }
});

test('a record that is tried again has its files', async () => {
  const failing = `import { existsSync } from 'node:fs';
${hookCode(`return existsSync('${place.path}/mended') ? { features: [{ seen: readFileSync(process.env.OSA_FILES + '/' + id + '/one.csv', 'utf8') }] } : { error: 'not yet', retryable: true };`)}`;
  await archive.deploy({ failing: { code: failing, columns } }, { file_requirements: rules });
  const { id } = await archive.ingest([record('a', await stored('one.csv', '1,2'))]);
  await archive.drain();
  const { writeFile } = await import('node:fs/promises');
  await writeFile(join(place.path, 'mended'), '');
  expect(await retryIngestion(archive.store, { principal: admin }, id)).toMatchObject({ retried: 1 });
  await archive.drain();
  const { rows } = await readRows(archive.store, 'bench-record', 'failing', page);
  expect(rows).toMatchObject([{ seen: '1,2' }]);
});

test('a record has no files that it did not come with', async () => {
  await archive.deploy({}, { file_requirements: rules });
  const one = await stored('one.csv', '1,2');
  await archive.ingest([record('a', one)]);
  const { sql } = archive.database;
  const late = sql`insert into record_files (batch_record, name, sha256)
    select id, 'late.csv', ${one.sha256} from batch_records`;
  await expect(late).rejects.toMatchObject({ code: '42501', message: expect.stringContaining('none later') });
  await expect(sql`update record_files set name = 'x'`).rejects.toMatchObject({ code: '42501' });
  await expect(sql`delete from record_files`).rejects.toMatchObject({ code: '42501' });
  await expect(archive.open('owner').sql`delete from stored_files`).rejects.toMatchObject({ code: '42501' });
});

test('damaged bytes are not given to a hook, which waits until they are whole', async () => {
  await archive.deploy({ reading: { code: reading, columns } }, { file_requirements: rules });
  const one = await stored('one.csv', '1,2');
  const path = join(place.path, 'files', one.sha256.slice(0, 2), one.sha256.slice(2));
  const { chmod, writeFile } = await import('node:fs/promises');
  await chmod(path, 0o644);
  await writeFile(path, '1,3');
  const { id } = await archive.ingest([record('a', one)]);
  await archive.drain();
  expect(await statuses(id)).toEqual({ a: 'pending' });
  const [attempt] = await archive.database.sql<{ detail: string }[]>`select detail from attempts`;
  expect(attempt?.detail).toContain(`sha256:${one.sha256} are damaged`);
});
