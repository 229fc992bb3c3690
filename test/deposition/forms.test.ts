import { createHash } from 'node:crypto';
import { request as rawRequest } from 'node:http';
import { readSheet } from '@osa/core/deposition/spreadsheet/read';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { row, workbook } from '../spreadsheet/workbook.ts';
import { deployRequest, rawConnection, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Files and workbooks that come as forms, as browsers send them. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  const rules = { accepted_types: ['.txt'], min_count: 0, max_count: 2, max_file_size: 1_000 };
  await daemon.call('deploy', { json: { ...deployRequest([]), file_requirements: rules } });
});
afterAll(() => daemon.close());

const depositor = (subject = 'ada') => daemon.bearer(['depositions:write'], { subject });

async function draft(): Promise<string> {
  const headers = { authorization: await depositor(), 'content-type': 'application/json' };
  const body = JSON.stringify({ convention_id: 'tests', metadata: { value: 1 } });
  return JSON.parse((await daemon.send('POST', '/api/v1/depositions', { headers, body })).text).id;
}

interface Part {
  readonly field?: string;
  readonly name?: string;
  readonly content: string | Uint8Array;
}

async function sendForm(
  path: string,
  parts: readonly Part[],
  {
    who = 'ada',
    headers = {},
    keep = 1,
  }: { who?: string; headers?: Record<string, string>; keep?: number } = {},
) {
  const form = new FormData();
  for (const { field = 'file', name, content } of parts) {
    if (name === undefined) form.append(field, String(content));
    else
      form.append(field, new Blob([typeof content === 'string' ? content : Uint8Array.from(content)]), name);
  }
  const sent = new Response(form);
  const whole = Buffer.from(await sent.arrayBuffer());
  return daemon.send('POST', `/api/v1/depositions/${path}`, {
    headers: {
      authorization: await depositor(who),
      'content-type': sent.headers.get('content-type') ?? '',
      ...headers,
    },
    body: whole.subarray(0, Math.ceil(whole.length * keep)),
  });
}

async function shown(id: string) {
  return daemon.call('showDeposition', { params: { id }, headers: { authorization: await depositor() } });
}

const notes = { name: 'notes.txt', content: 'of the sample' };

test('a file of a form is in the draft, under its name and digest, and a second one of its name takes its place', async () => {
  const id = await draft();
  const first = await sendForm(`${id}/files`, [notes]);
  const sha256 = createHash('sha256').update(notes.content).digest('hex');
  expect([first.status, JSON.parse(first.text)]).toEqual([
    200,
    {
      file: {
        ...{ name: 'notes.txt', size: 13, checksum: `sha256:${sha256}`, content_type: null },
        uploaded_at: expect.stringMatching(/Z$/),
      },
    },
  ]);
  const second = await sendForm(`${id}/files`, [{ ...notes, content: 'of another' }]);
  expect(second.headers.etag).not.toBe(first.headers.etag);
  expect((await shown(id)).files).toMatchObject([{ name: 'notes.txt', size: 10 }]);
  const read = await daemon.send('GET', `/api/v1/depositions/${id}/files/notes.txt`, {
    headers: { authorization: await depositor() },
  });
  expect(read.text).toBe('of another');
});

test('a form with the same key is one change', async () => {
  const id = await draft();
  const headers = { 'idempotency-key': 'once' };
  const etags = [];
  for (const _ of [1, 2]) etags.push((await sendForm(`${id}/files`, [notes], { headers })).headers.etag);
  expect(etags[0]).toBe(etags[1]);
  const other = await sendForm(`${id}/files`, [{ ...notes, content: 'other' }], { headers });
  expect(other.problem?.code).toBe('idempotency_mismatch');
});

test.each<[string, readonly Part[], number, string]>([
  ['a type that the convention does not take', [{ ...notes, name: 'x.exe' }], 422, 'invalid'],
  ['a type that lies', [{ ...notes, content: '\0\0' }], 422, 'invalid'],
  ['a name with a slash', [{ ...notes, name: '../x.txt' }], 422, 'invalid'],
  ['a file that is too large', [{ ...notes, content: 'x'.repeat(1_001) }], 413, 'too_large'],
  ['another field', [{ ...notes, field: 'data' }], 422, 'invalid'],
  ['two files', [notes, { ...notes, name: 'b.txt' }], 422, 'invalid'],
  ['a field beside it', [notes, { field: 'title', content: 'x' }], 422, 'invalid'],
  ['no file', [{ content: 'x' }], 422, 'invalid'],
])('%s is refused, and the draft stays as it was', async (_what, parts, status, code) => {
  const id = await draft();
  const refused = await sendForm(`${id}/files`, parts);
  expect([refused.status, refused.problem?.code]).toEqual([status, code]);
  expect(await shown(id)).toMatchObject({ revision: 1, files: [] });
});

test('a form that is torn, or is none, is refused', async () => {
  const id = await draft();
  for (const keep of [0.2, 0.5, 0.9]) {
    expect((await sendForm(`${id}/files`, [notes], { keep })).problem?.code).toBe('malformed');
  }
  const noBoundary = await sendForm(`${id}/files`, [notes], {
    headers: { 'content-type': 'multipart/form-data' },
  });
  expect(noBoundary.problem?.code).toBe('malformed');
  const json = await sendForm(`${id}/files`, [notes], { headers: { 'content-type': 'application/json' } });
  expect(json.status).toBe(415);
  expect((await shown(id)).revision).toBe(1);
});

test('a form whose connection is cut holds up nobody after it', async () => {
  const id = await draft();
  const authorization = await depositor();
  const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhalf';
  for (let n = 0; n < 6; n += 1) {
    const sending = rawRequest(`${daemon.url}/api/v1/depositions/${id}/files`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'multipart/form-data; boundary=b', 'content-length': 900 },
    });
    const closed = new Promise((resolve) => sending.once('close', resolve));
    sending.on('error', () => undefined);
    sending.write(head);
    await until('its file', async () => sending.writableLength === 0);
    sending.destroy();
    await closed;
  }
  expect((await sendForm(`${id}/files`, [notes])).status).toBe(200);
});

test('only its owner fills a draft, as it was seen, and only a draft', async () => {
  const id = await draft();
  const sheet = { name: 'a.xlsx', content: await workbook(row(1, 'value') + row(3, '<c><v>5</v></c>')) };
  for (const [path, part] of [
    [`${id}/files`, notes],
    [`${id}/spreadsheet`, sheet],
  ] as const) {
    expect((await sendForm(path, [part], { who: 'ben' })).status).toBe(404);
    expect((await sendForm(path, [part], { headers: { 'if-match': '"7"' } })).status).toBe(412);
  }
  const template = await daemon.send('GET', `/api/v1/depositions/${id}/template`, {
    headers: { authorization: await depositor('ben') },
  });
  expect(template.status).toBe(404);
  const headers = { authorization: await depositor() };
  await daemon.call('deleteDeposition', { params: { id }, headers });
  expect((await sendForm(`${id}/files`, [notes])).status).toBe(409);
  expect((await sendForm(`${id}/spreadsheet`, [sheet])).status).toBe(409);
});

test('a template says the fields and what the draft has; filled in, it replaces the metadata unless it has errors', async () => {
  const id = await draft();
  const { statusCode, headers, body } = await request(`${daemon.url}/api/v1/depositions/${id}/template`, {
    headers: { authorization: await depositor() },
  });
  expect([statusCode, headers['content-type']]).toEqual([200, expect.stringContaining('spreadsheetml')]);
  const bytes = Buffer.from(await body.arrayBuffer());
  const { rows } = await readSheet(bytes, 3);
  expect(rows.map((cells) => cells.get(0)?.text)).toEqual([
    'value',
    expect.stringContaining('a number'),
    '1',
  ]);
  const same = await sendForm(`${id}/spreadsheet`, [{ name: 't.xlsx', content: bytes }]);
  expect(JSON.parse(same.text)).toEqual({
    parse_result: { metadata: { value: 1 }, warnings: [], errors: [] },
  });

  const wrong = await workbook(row(1, 'value', 'valu') + row(3, 'much'));
  const refused = await sendForm(`${id}/spreadsheet`, [{ name: 't.xlsx', content: wrong }]);
  expect(refused.status).toBe(200);
  expect(JSON.parse(refused.text).parse_result).toMatchObject({
    metadata: { value: 1 },
    errors: [{ field: 'value' }, { field: 'valu' }],
  });
  const right = await workbook(row(1, 'value') + row(3, '<c><v>2.5</v></c>'));
  const { revision } = await shown(id);
  const taken = await sendForm(`${id}/spreadsheet`, [{ name: 't.xlsx', content: right }]);
  expect(JSON.parse(taken.text).parse_result.metadata).toEqual({ value: 2.5 });
  expect(await shown(id)).toMatchObject({ metadata: { value: 2.5 }, revision: revision + 1 });
  const none = await sendForm(`${id}/spreadsheet`, [{ name: 't.xlsx', content: 'PK' }]);
  expect([none.status, none.problem?.code]).toEqual([422, 'invalid']);
  const large = await sendForm(`${id}/spreadsheet`, [{ name: 't.xlsx', content: Buffer.alloc(3 * 2 ** 20) }]);
  expect(large.status).toBe(413);
});

test('forms that come slowly hold up nobody', async () => {
  const [slow, quick] = [await draft(), await draft()];
  const authorization = await depositor();
  const head = [
    `POST /api/v1/depositions/${slow}/files HTTP/1.1`,
    ...['Host: localhost', `Authorization: ${authorization}`, 'Content-Length: 1000'],
    ...['Content-Type: multipart/form-data; boundary=x', '', '--x', ''],
  ];
  const senders = await Promise.all(Array.from({ length: 20 }, () => rawConnection(daemon.port)));
  for (const { socket } of senders) socket.write(head.join('\r\n'));
  // Whoever asks later is heard later, so all of these have been heard now.
  for (let n = 0; n < 5; n += 1) await shown(slow);
  expect((await sendForm(`${quick}/files`, [notes])).status).toBe(200);
  for (const { socket } of senders) socket.resetAndDestroy();
});
