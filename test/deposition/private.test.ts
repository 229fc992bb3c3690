import { createHash } from 'node:crypto';
import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import {
  declaration,
  deployRequest,
  everything,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Until it is accepted, nobody but its owner and its reviewers sees anything of a deposition: by every route that reads. */

const secret = 987654.25;
const bytes = Buffer.from('of a draft');
const sha256 = createHash('sha256').update(bytes).digest('hex');

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon({ http: { failedAuthentications: 10_000 } });
  const code = hookCode(`
    console.log('ran over ' + metadata.value);
    return metadata.value < 0 ? { reason: 'value: below 0' } : { features: [{ value: metadata.value }] };`);
  const digest = await uploaded(daemon, code);
  const rules = { accepted_types: [], min_count: 0, max_count: 3 };
  const request = { ...deployRequest([declaration('probe', digest)]), file_requirements: rules };
  await daemon.call('deploy', { json: { ...request, curation: 'manual' } });
  const body = `${JSON.stringify({ source_id: 'r', metadata: { value: 1 } })}\n`;
  const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body });
  await until('the first record', async () => {
    const { status } = await daemon.call('showIngestion', { params: { id } });
    return status === 'completed';
  });
});
afterAll(() => daemon.close());

const owner = () => daemon.bearer(['depositions:write'], { subject: 'ada-the-owner' });
const curator = () => daemon.bearer(['depositions:review'], { subject: 'curator' });

/** Those who must see nothing, each with an Authorization header or none. */
async function strangers(): Promise<Record<string, string | undefined>> {
  const others = everything.filter((scope) => !scope.startsWith('depositions:'));
  return {
    'nobody in particular': undefined,
    'somebody without scopes': await daemon.bearer([], { subject: 'visitor' }),
    'another depositor': await daemon.bearer(['depositions:write'], { subject: 'ben' }),
    'who may read everything else': await daemon.bearer(others, { subject: 'operator' }),
    'a reviewer of another convention': await daemon.bearer(['depositions:review:other'], { subject: 'c' }),
  };
}

/** Everything that names the deposition or what was made of it. */
interface Names {
  readonly deposition: string;
  readonly ingestion: string;
  readonly batch: string;
  readonly runs: readonly string[];
}

const none: Names = {
  deposition: crypto.randomUUID(),
  ingestion: crypto.randomUUID(),
  batch: crypto.randomUUID(),
  runs: [crypto.randomUUID()],
};

/** Each route that reads, with each id and name that its path may take. */
function addresses({ deposition, ingestion, batch, runs }: Names): string[] {
  const ids = [deposition, ingestion, batch, ...runs];
  const read = (Object.entries(routes) as [RouteName, Route][]).filter(
    ([, { method, waits, response }]) => method === 'GET' && waits !== true && response !== 'archive',
  );
  const values: Readonly<Record<string, readonly string[]>> = {
    id: ids,
    srn: [`urn:osa:localhost:rec:${deposition}@1`],
    prefix: ids.map((id) => id.slice(0, 13)),
    kind: ['run', 'ingestion', 'deploy', 'recompute', 'deposition'],
    hook: ['probe'],
    feature: ['probe'],
    name: ['probe'],
    slug: ['tests'],
    schema: ['test-record'],
    version: ['1'],
    format: ['csv'],
    sha256: [sha256],
  };
  const paths = read.flatMap(([, { path }]) => {
    let filled = [path];
    for (const [, name = ''] of path.matchAll(/:(\w+)/g)) {
      filled = filled.flatMap((one) =>
        (values[name] ?? ['1']).map((value) => one.replace(`:${name}`, value)),
      );
    }
    return filled;
  });
  const asked = [
    ...ids.map((id) => `/api/v1/trace?text=${id}`),
    `/api/v1/trace?text=deposition-${deposition}`,
    `/api/v1/trace/sources?convention=tests&source_id=deposition-${deposition}`,
    `/api/v1/hooks/runs?ingestion=${ingestion}`,
    '/api/v1/events?limit=500',
    '/api/v1/audit?limit=500',
  ];
  return [...new Set([...paths, ...asked])];
}

/** Values that change by themselves. */
function settled(path: string, text: string): string {
  if (path === '/metrics') {
    const own = /^osa_(queue|needs|hook|attempt|outcomes|memory|claim|commit|runs|lease)/;
    return text
      .split('\n')
      .filter((line) => own.test(line))
      .join('\n');
  }
  if (/\/(status|doctor|ready|health|workers)$/.test(path)) {
    const queue = /"queue":\{.*?\}\s*,"|"failing":\[.*?\]/g;
    return [...text.matchAll(queue)].join('\n');
  }
  // The walk itself is refused here and there, which is told.
  if (/\/(audit|events)/.test(path)) {
    if (!path.includes('limit=500')) return '';
    const { items = [] } = JSON.parse(text) as { items?: { type: string }[] };
    return JSON.stringify(items.filter(({ type }) => type !== 'request.denied'));
  }
  return text
    .replaceAll(/"\d{4}-\d\d-\d\dT[^"]*"/g, 'T')
    .replaceAll(/"(?:request_id|next_cursor)":"[^"]*"/g, '');
}

type Seen = Map<string, { status: number; text: string; raw: string }>;

async function look(names: Names): Promise<Map<string, Seen>> {
  const all = new Map<string, Seen>();
  for (const [who, authorization] of Object.entries(await strangers())) {
    const seen: Seen = new Map();
    for (const path of addresses(names)) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const { status, text } = await daemon.send('GET', path, { headers });
      seen.set(path, { status, text: settled(path, text), raw: text });
    }
    all.set(who, seen);
  }
  return all;
}

async function act(name: RouteName, who: string, id: string, json: unknown = {}) {
  return daemon.call(name, { params: { id }, json, headers: { authorization: who } }) as Promise<{
    id: string;
    status: string;
    revision: number;
    record_srn: string | null;
    submissions: readonly { ingestion: string; runs: readonly { id: string }[] }[];
  }>;
}

async function arrived(id: string, status: string) {
  return until(`the deposition to be ${status}`, async () => {
    const found = await act('showDeposition', await owner(), id);
    return found.status === status ? found : undefined;
  });
}

async function namesOf(id: string): Promise<Names> {
  const { submissions } = await act('showDeposition', await owner(), id);
  const [newest] = submissions;
  const database = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const [batch] = await database.sql<{ id: string }[]>`
    select id from batches where ingestion = ${newest?.ingestion ?? ''}`;
  return {
    deposition: id,
    ingestion: newest?.ingestion ?? '',
    batch: batch?.id ?? '',
    runs: newest?.runs.map((run) => run.id) ?? [],
  };
}

/** The counts and lists of all strangers are those of before, and nothing names the deposition. */
function expectUnseen(before: Map<string, Seen>, after: Map<string, Seen>, names: Names): void {
  const telling = [
    names.deposition,
    names.ingestion,
    names.batch,
    ...names.runs,
    String(secret),
    'ada-the-owner',
    sha256,
  ];
  for (const [who, seen] of after) {
    for (const [path, { status, text, raw }] of seen) {
      const isNamed = telling.some((name) => path.includes(name) || path.includes(name.slice(0, 13)));
      if (isNamed && /\/(depositions|ingestions|runs|trace\/runs)\//.test(path)) {
        expect([401, 403, 404], `${who}: ${path} → ${raw}`).toContain(status);
      }
      if (!isNamed) expect(text, `${who}: ${path}`).toBe(before.get(who)?.get(path)?.text ?? text);
      const told = telling.filter((name) => !path.includes(name) && raw.includes(name));
      expect(told, `${who}: ${path} → ${raw.slice(0, 400)}`).toEqual([]);
      if (isNamed && status === 200) {
        expect(raw, `${who}: ${path}`).not.toMatch(/"items":\[\{|"id":"[0-9a-f-]{36}"/);
      }
    }
  }
}

test('a draft, what is in review, and what came back are seen by nobody else', {
  timeout: 120_000,
}, async () => {
  await look(none);
  const before = await look(none);
  const put = await daemon.send('PUT', `/api/v1/conventions/tests/files/${sha256}?size=${bytes.length}`, {
    headers: { authorization: await owner(), 'content-type': 'application/octet-stream' },
    body: bytes,
  });
  expect(put.status).toBe(200);
  const draft = await daemon.call('createDeposition', {
    json: {
      convention_id: 'tests',
      metadata: { value: -secret },
      files: [{ name: 'draft.txt', sha256, size: bytes.length }],
    },
    headers: { authorization: await owner() },
  });
  expectUnseen(before, await look({ ...none, deposition: draft.id }), { ...none, deposition: draft.id });
  await act('submitDeposition', await owner(), draft.id);
  await arrived(draft.id, 'draft');
  const rejected = await namesOf(draft.id);
  expect(rejected.runs).toHaveLength(1);
  expectUnseen(before, await look(rejected), rejected);
  await act('editDepositionMetadata', await owner(), draft.id, { value: secret });
  await act('submitDeposition', await owner(), draft.id);
  await arrived(draft.id, 'in_review');
  const waiting = await namesOf(draft.id);
  expectUnseen(before, await look(waiting), waiting);

  const file = `/api/v1/depositions/${draft.id}/files/draft.txt`;
  for (const [who, authorization] of Object.entries(await strangers())) {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    expect([401, 403, 404], who).toContain((await daemon.send('GET', file, { headers })).status);
  }
  const shown = await daemon.send('GET', file, { headers: { authorization: await curator() } });
  expect(shown).toMatchObject({
    status: 200,
    text: 'of a draft',
    headers: { 'x-content-type-options': 'nosniff' },
  });

  await act('rejectDeposition', await curator(), draft.id, { reason: 'CONFIDENTIAL: of another patient' });
  await act('submitDeposition', await owner(), draft.id);
  await arrived(draft.id, 'in_review');
  const accepted = await act('approveDeposition', await curator(), draft.id);
  const record = await daemon.send('GET', '/api/v1/data/test-record/records');
  expect(record.text).toContain(String(secret));
  const story = await daemon.send('GET', `/api/v1/trace/records/${accepted.record_srn}`);
  const { deposition } = JSON.parse(story.text);
  expect(deposition).toMatchObject({
    depositor: { subject: 'ada-the-owner' },
    submissions: [
      { status: 'accepted', review: { actor: { subject: 'curator' } }, runs: [{ outcome: 'passed' }] },
      { status: 'rejected', review: { decision: 'rejected' }, runs: [{ outcome: 'passed' }] },
      { status: 'rejected', runs: [{ id: rejected.runs[0], outcome: 'rejected' }] },
    ],
  });
  for (const earlier of [rejected, waiting]) expectNoReasons(await look(earlier));
});

/** The trace names the runs of earlier submissions. No route gives strangers their reasons, logs or records. */
function expectNoReasons(seen: Map<string, Seen>): void {
  for (const [who, answers] of seen) {
    for (const [path, { status, raw }] of answers) {
      expect(raw, `${who}: ${path}`).not.toMatch(/below 0|CONFIDENTIAL|ran over -/);
      const isOfEarlier = /\/(ingestions|runs)\/[0-9a-f-]{36}/.test(path);
      if (isOfEarlier) expect([401, 403, 404], `${who}: ${path} → ${raw}`).toContain(status);
    }
  }
}

test('a reviewer hears no more of a draft by deciding about it, and waits for no lock', async () => {
  const draft = await daemon.call('createDeposition', {
    json: { convention_id: 'tests', metadata: { value: 3 } },
    headers: { authorization: await owner() },
  });
  await act('submitDeposition', await owner(), draft.id);
  await arrived(draft.id, 'in_review');
  await act('rejectDeposition', await curator(), draft.id, { reason: 'no' });
  const database = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  await database.transaction(async (tx) => {
    await tx`select from depositions where id = ${draft.id} for update`;
    for (const [action, who, json] of [
      ['reject', await curator(), { reason: 'no' }],
      ['approve', await curator(), {}],
      ['submit', await daemon.bearer(['depositions:write'], { subject: 'ben' }), {}],
      ['withdraw', await daemon.bearer(['depositions:write'], { subject: 'ben' }), {}],
    ] as const) {
      const headers = { authorization: who, 'content-type': 'application/json' };
      const path = `/api/v1/depositions/${draft.id}/${action}`;
      const refused = await daemon.send('POST', path, { headers, body: JSON.stringify(json) });
      expect([refused.status, refused.problem?.code], action).toEqual([404, 'not_found']);
      expect(refused.text, action).not.toContain('draft"');
    }
  });
});

test('a reviewer does not see a draft, also one that came back', async () => {
  const draft = await daemon.call('createDeposition', {
    json: { convention_id: 'tests', metadata: { value: 2 } },
    headers: { authorization: await owner() },
  });
  const path = `/api/v1/depositions/${draft.id}`;
  const asCurator = async () =>
    (await daemon.send('GET', path, { headers: { authorization: await curator() } })).status;
  const finds = async (authorization: string) => {
    const headers = { authorization };
    const { text } = await daemon.send('GET', `/api/v1/ids/deposition/${draft.id.slice(0, 18)}`, { headers });
    return (JSON.parse(text) as { items: { id: string }[] }).items.some(({ id }) => id === draft.id);
  };
  expect([await asCurator(), await finds(await curator()), await finds(await owner())]).toEqual([
    404,
    false,
    true,
  ]);
  await act('submitDeposition', await owner(), draft.id);
  await arrived(draft.id, 'in_review');
  expect([await asCurator(), await finds(await curator())]).toEqual([200, true]);
  await act('rejectDeposition', await curator(), draft.id, { reason: 'no' });
  expect([await asCurator(), await finds(await curator())]).toEqual([404, false]);
});
