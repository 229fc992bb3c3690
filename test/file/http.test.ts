import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { byteRange } from '../../packages/daemon/src/http/reads/range.ts';
import { deployRequest, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

let daemon: TestDaemon;
let id: string;
const perDay = 2 ** 30;
const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 31) & 0xff));
const sha256 = createHash('sha256').update(bytes).digest('hex');
const name = "été <b>'1'.bin";
const rules = { accepted_types: [], min_count: 0, max_count: 3, max_file_size: 200_000 };

beforeAll(async () => {
  daemon = await testDaemon({ http: { uploadBytesPerDay: perDay } });
  await daemon.call('deploy', { json: { ...deployRequest(), file_requirements: rules } });
  await daemon.call('deploy', {
    json: {
      ...deployRequest(),
      slug: 'without',
      schema: { ...(deployRequest().schema as object), id: 'without-record' },
    },
  });
});
afterAll(() => daemon.close());

const fileUrl = (digest: string, query: string, slug = 'tests') =>
  `/api/v1/conventions/${slug}/files/${digest}?${query}`;

async function put(digest: string, query: string, body: Buffer, slug = 'tests') {
  const authorization = await daemon.bearer([`ingestions:write:${slug}`]);
  const headers = { authorization, 'content-type': 'application/octet-stream' };
  return daemon.send('PUT', fileUrl(digest, query, slug), { headers, body });
}

async function missing(...digests: string[]) {
  return daemon.call('missingFiles', { params: { slug: 'tests' }, json: { sha256: digests } });
}

test('a file is sent in parts, and what is stored is not sent again', async () => {
  expect(await missing(sha256)).toEqual({ missing: [{ sha256, received: 0 }] });
  const first = await put(sha256, `size=${bytes.length}`, bytes.subarray(0, 40_000));
  expect(JSON.parse(first.text)).toEqual({ sha256, size: bytes.length, received: 40_000, stored: false });
  expect(await missing(sha256)).toEqual({ missing: [{ sha256, received: 40_000 }] });
  const wrong = await put(sha256, `size=${bytes.length}`, bytes);
  expect([wrong.status, wrong.problem]).toMatchObject([409, { details: { received: 40_000 } }]);
  const rest = await put(sha256, `offset=40000&size=${bytes.length}`, bytes.subarray(40_000));
  expect(JSON.parse(rest.text)).toMatchObject({ received: bytes.length, stored: true });
  expect(await missing(sha256)).toEqual({ missing: [] });
});

test('a part whose connection is cut is kept as far as it came', async () => {
  const cut = Buffer.from(bytes).reverse();
  const digest = createHash('sha256').update(cut).digest('hex');
  const sending = request(`${daemon.url}${fileUrl(digest, `size=${cut.length}`)}`, {
    method: 'PUT',
    headers: {
      authorization: await daemon.bearer(['ingestions:write']),
      'content-type': 'application/octet-stream',
      'content-length': cut.length,
    },
  });
  sending.on('error', () => undefined);
  sending.write(cut.subarray(0, 30_000));
  await until('a part to come', async () => (await missing(digest)).missing[0]?.received === 30_000);
  sending.destroy();
  await until('the rest to be taken', async () => {
    const { status } = await put(digest, `offset=30000&size=${cut.length}`, cut.subarray(30_000));
    if (status !== 200) await delay(20);
    return status === 200;
  });
  expect(await missing(digest)).toEqual({ missing: [] });
});

test.each([
  ['another digest', '0'.repeat(64), 'size=3', 422, 'tests'],
  ['more than it says', '1'.repeat(64), 'size=2', 413, 'tests'],
  ['more than the convention takes', '2'.repeat(64), 'size=200001', 413, 'tests'],
  ['no size', '3'.repeat(64), '', 422, 'tests'],
  ['no digest', 'A', 'size=3', 422, 'tests'],
  ['a convention that takes none', '4'.repeat(64), 'size=3', 422, 'without'],
  ['a convention that is not there', '4'.repeat(64), 'size=3', 404, 'nothing'],
])('%s is refused', async (_what, digest, query, status, slug) => {
  expect((await put(digest, query, Buffer.from('abc'), slug)).status).toBe(status);
});

test('a token for another convention sends and asks nothing', async () => {
  const authorization = await daemon.bearer(['ingestions:write:without']);
  const headers = { authorization, 'content-type': 'application/octet-stream' };
  const sent = await daemon.send('PUT', fileUrl(sha256, 'size=1'), { headers, body: Buffer.from('a') });
  expect(sent.status).toBe(403);
});

test('a published record lists its files, and they are read whole or in part', async () => {
  const line = { source_id: 'r', metadata: { value: 1 }, files: [{ name, sha256, size: bytes.length }] };
  const body = `${JSON.stringify(line)}\n`;
  const ingestion = await daemon.call('ingest', { params: { slug: 'tests' }, body });
  id = await until('the record', async () => {
    const { items } = await daemon.call('listIngestionRecords', { params: { id: ingestion.id } });
    return items[0]?.record_srn ?? undefined;
  });
  for (const named of [id, id.split(':').at(-1), id.split(':').at(-1)?.split('@')[0]]) {
    const listed = await daemon.send('GET', `/api/v1/data/records/${named}/files`);
    expect(JSON.parse(listed.text)).toEqual({ items: [{ name, sha256, size: bytes.length }] });
  }
  const whole = await get({});
  expect([whole.status, whole.body.equals(bytes)]).toEqual([200, true]);
  expect(whole.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-length': String(bytes.length),
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
    'content-disposition': "attachment; filename*=UTF-8''%C3%A9t%C3%A9%20%3Cb%3E%271%27.bin",
    etag: `"sha256:${sha256}"`,
    'accept-ranges': 'bytes',
  });
  const part = await get({ range: 'bytes=10-19' });
  expect([part.status, part.headers['content-range']]).toEqual([206, `bytes 10-19/${bytes.length}`]);
  expect(part.body.equals(bytes.subarray(10, 20))).toBe(true);
  const changed = await get({ range: 'bytes=10-19', 'if-range': '"another"' });
  expect([changed.status, changed.body.length]).toEqual([200, bytes.length]);
  const beyond = await get({ range: `bytes=${bytes.length}-` });
  expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${bytes.length}`]);
});

const tag = `"sha256:${sha256}"`;
const part = { range: 'bytes=10-19' };
test.each<[number, Record<string, string>]>([
  [304, { 'if-none-match': tag }],
  [304, { 'if-none-match': `W/${tag}` }],
  [304, { 'if-none-match': '*' }],
  [304, { 'if-none-match': `"a,b", W/"c", ${tag}` }],
  [304, { 'if-none-match': tag, ...part }],
  [304, { 'if-none-match': tag, range: 'bytes=999999-' }],
  [304, { 'if-match': tag, 'if-none-match': tag }],
  [200, { 'if-none-match': '"another"' }],
  [200, { 'if-none-match': tag.slice(1, -1) }],
  [206, { 'if-none-match': '"another"', ...part }],
  [200, { 'if-match': '*' }],
  [200, { 'if-match': `"another", ${tag}` }],
  [206, { 'if-match': tag, ...part }],
  [206, { 'if-match': tag, 'if-range': tag, ...part }],
  [200, { 'if-match': tag, 'if-range': `W/${tag}`, ...part }],
  [412, { 'if-match': '"another"' }],
  [412, { 'if-match': `W/${tag}` }],
  [412, { 'if-match': '"another"', 'if-none-match': tag }],
  [412, { 'if-match': '"another"', range: 'bytes=999999-' }],
])('%i for a file with %j', async (status, headers) => {
  const answer = await get(headers);
  expect(answer.status).toBe(status);
  const length = { 200: bytes.length, 206: 10, 304: 0 }[status];
  if (length !== undefined) {
    expect([answer.headers.etag, answer.body.length]).toEqual([tag, length]);
  } else {
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      code: 'precondition_failed',
      field: 'If-Match',
    });
  }
  if (status === 304) expect(answer.headers).not.toHaveProperty('content-type');
  const head = await get(headers, 'HEAD');
  expect([head.status, head.body.length]).toEqual([status === 206 ? 200 : status, 0]);
});

test('a file whose bytes were changed on the disk is named as damaged, and never served', async () => {
  const path = join(daemon.directory, 'data/blobs', sha256.slice(0, 2), sha256.slice(2));
  const flipped = Buffer.from(bytes);
  flipped[50_000] = (flipped[50_000] ?? 0) ^ 1;
  await chmod(path, 0o644);
  await writeFile(path, flipped);
  const answer = await get({ range: 'bytes=10-19' });
  const problem = JSON.parse(answer.body.toString());
  expect([answer.status, problem.code, problem.details]).toEqual([500, 'damaged', { sha256 }]);
  expect(answer.body.toString()).not.toContain(daemon.directory);
  await writeFile(path, bytes);
  expect((await get({})).status).toBe(200);
});

test.each([
  ['is gone', async () => undefined],
  ['is a directory', (path: string) => mkdir(path)],
  ['is a link to its own bytes', (path: string) => symlink(`${path}.kept`, path)],
  ['is a pipe', async (path: string) => void execFileSync('mkfifo', [path])],
])('a file that %s is named as damaged, at once', async (_name, put) => {
  const path = join(daemon.directory, 'data/blobs', sha256.slice(0, 2), sha256.slice(2));
  await rename(path, `${path}.kept`);
  await put(path);
  const answer = await get({});
  const problem = JSON.parse(answer.body.toString());
  expect([answer.status, problem.code, problem.details]).toEqual([500, 'damaged', { sha256 }]);
  await rm(path, { recursive: true, force: true });
  await rename(`${path}.kept`, path);
  expect((await get({})).status).toBe(200);
});

test('a sender has so many bytes a day: a further part is refused before it comes, and names the way out', async () => {
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const used = async () => {
    const rows = await sql<{ bytes: string }[]>`
      select u.bytes from upload_use u join actors a on a.id = u.actor where a.subject = 'hoarder'`;
    return Number(rows[0]?.bytes ?? 0);
  };
  const send = async (text: string, size: number, offset = 0) => {
    const body = Buffer.from(text);
    const digest = createHash('sha256').update(`${size} bytes`).digest('hex');
    const authorization = await daemon.bearer(['ingestions:write'], { subject: 'hoarder' });
    const headers = { authorization, 'content-type': 'application/octet-stream' };
    return daemon.send('PUT', fileUrl(digest, `size=${size}&offset=${offset}`), { headers, body });
  };
  expect((await send('x'.repeat(1_000), 150_000)).status).toBe(200);
  // The rest of what was said did not come, and does not count.
  expect(await used()).toBe(1_000);
  await sql`update upload_use set bytes = ${perDay - 100_000} where actor = (select id from actors where subject = 'hoarder')`;
  const refused = await send('y'.repeat(149_000), 150_000, 1_000);
  expect([refused.status, refused.problem?.code]).toEqual([429, 'rate_limited']);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(refused.problem?.message).toContain('OSA_UPLOAD_GIGABYTES_PER_DAY');
  expect(await used()).toBe(perDay - 100_000);
});

test('a file or a record that is not there is named', async () => {
  const other = await daemon.send('GET', `/api/v1/data/records/${id}/files/other`);
  expect([other.status, other.problem?.field]).toEqual([404, 'name']);
  for (const wrong of ['nothing', 'urn:osa:localhost:rec:00000000-0000-7000-8000-000000000000@1', `${id}9`]) {
    const { status } = await daemon.send('GET', `/api/v1/data/records/${encodeURIComponent(wrong)}/files`);
    expect(status, wrong).toBe(404);
  }
});

test.each([
  [undefined, undefined],
  ['bytes=0-', { start: 0, end: 9 }],
  ['bytes=3-4', { start: 3, end: 4 }],
  ['bytes=3-99', { start: 3, end: 9 }],
  ['bytes=-4', { start: 6, end: 9 }],
  ['bytes=-99', { start: 0, end: 9 }],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=4-3', undefined],
  ['bytes=0-1,3-4', undefined],
  ['lines=0-1', undefined],
  ['bytes=-', undefined],
  ['bytes=0x1-2', undefined],
])('the range %j of ten bytes is %j', (header, range) => {
  expect(byteRange(header, { size: 10, isCurrent: true })).toEqual(range);
});

async function get(headers: Record<string, string>, method = 'GET') {
  const path = `/api/v1/data/records/${id}/files/${encodeURIComponent(name)}`;
  const { promise, resolve, reject } = Promise.withResolvers<import('node:http').IncomingMessage>();
  request(`${daemon.url}${path}`, { headers, method }, resolve).on('error', reject).end();
  const response = await promise;
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}
