import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployRequest, type TestDaemon, testDaemon } from '../support/daemon-support.ts';

/** A digest opens nothing: whoever knows that of a file has not shown that its bytes are theirs. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  const rules = { accepted_types: [], min_count: 0, max_count: 3 };
  await daemon.call('deploy', { json: { ...deployRequest([]), file_requirements: rules } });
});
afterAll(() => daemon.close());

const depositor = (subject: string) => daemon.bearer(['depositions:write'], { subject });

interface Sent {
  readonly bytes: Buffer;
  readonly sha256: string;
}

function file(): Sent {
  const bytes = randomBytes(1_000);
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function put(who: string, { bytes, sha256 }: Sent, body = bytes) {
  const headers = { authorization: await depositor(who), 'content-type': 'application/octet-stream' };
  return daemon.send('PUT', `/api/v1/conventions/tests/files/${sha256}?size=${bytes.length}`, {
    headers,
    body,
  });
}

async function missing(who: string, { sha256 }: Sent) {
  const headers = { authorization: await depositor(who) };
  return daemon.call('missingFiles', { params: { slug: 'tests' }, json: { sha256: [sha256] }, headers });
}

/** A draft of one file, whose size is said to be this. */
async function draft(who: string, { bytes, sha256 }: Sent, size = bytes.length) {
  const headers = { authorization: await depositor(who), 'content-type': 'application/json' };
  const files = [{ name: 'a.bin', sha256, size }];
  const body = JSON.stringify({ convention_id: 'tests', metadata: { value: 1 }, files });
  return daemon.send('POST', '/api/v1/depositions', { headers, body });
}

test("the digest of somebody else's unpublished file is that of a file that is not stored, everywhere", async () => {
  const secret = file();
  const nothing = file();
  expect((await put('ada', secret)).status).toBe(200);
  expect((await draft('ada', secret)).status).toBe(201);
  for (const size of [secret.bytes.length, 7]) {
    const refused = [await draft('ben', secret, size), await draft('ben', nothing, size)];
    const [told, expected] = refused.map(({ status, problem }, index) => {
      const digest = [secret, nothing][index]?.sha256 ?? '';
      return { status, code: problem?.code, detail: String(problem?.detail).replaceAll(digest, '') };
    });
    expect(told).toEqual(expected);
    expect(told).toMatchObject({ status: 422, code: 'invalid' });
  }
  expect(await missing('ben', secret)).toEqual({ missing: [{ sha256: secret.sha256, received: 0 }] });
  expect(await missing('ada', secret)).toEqual({ missing: [] });
  for (const unsent of [Buffer.alloc(0), secret.bytes.subarray(0, 10)]) {
    const answer = await put('ben', secret, unsent);
    expect(answer.text, String(unsent.length)).not.toContain('"stored":true');
  }
  expect((await draft('ben', secret)).status).toBe(422);
});

test('who sends the same bytes may use them, and they are not asked for again', async () => {
  const shared = file();
  await put('ada', shared);
  expect((await put('ben', shared, Buffer.alloc(1_000))).status).toBe(422);
  expect((await draft('ben', shared)).status).toBe(422);
  expect(JSON.parse((await put('ben', shared)).text)).toMatchObject({ stored: true });
  expect(await missing('ben', shared)).toEqual({ missing: [] });
  expect((await draft('ben', shared)).status).toBe(201);
});

test('everybody may use a file of a published record', async () => {
  const published = file();
  await put('ada', published);
  const { id } = JSON.parse((await draft('ada', published)).text);
  const headers = { authorization: await depositor('ada') };
  await daemon.call('submitDeposition', { params: { id }, json: {}, headers });
  await expect
    .poll(async () => (await daemon.call('showDeposition', { params: { id }, headers })).status, {
      timeout: 30_000,
    })
    .toBe('accepted');
  expect(await missing('ben', published)).toEqual({ missing: [] });
  expect((await draft('ben', published)).status).toBe(201);
});
