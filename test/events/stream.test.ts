import { beforeAll, expect, test } from 'vitest';
import { line, type StoryArchive, storyArchive } from '../trace/story-archive.ts';

/** Events over HTTP: pages, long polls and Server-Sent Events; and \`osa events\`. */

let archive: StoryArchive;
beforeAll(async () => {
  archive = await storyArchive();
  return () => archive.close();
});

const scopes = ['events:read'];

test('are read in pages that go on', async () => {
  const authorization = await archive.daemon.bearer(scopes);
  const read = async (query: string) =>
    JSON.parse(
      (await archive.daemon.send('GET', `/api/v1/events?${query}`, { headers: { authorization } })).text,
    );
  const all = await read('limit=500');
  expect(all.items.map(({ type }: { type: string }) => type)).toEqual(
    expect.arrayContaining(['convention.deployed', 'ingestion.sealed', 'batch.finished', 'request.accepted']),
  );
  expect(all.items[0]).toMatchObject({ seq: 1, actor: { subject: 'tester' } });
  expect(all.items[0].payload).not.toHaveProperty('actor');
  const two = await read('limit=2');
  const next = await read(`after=${two.after}&limit=500`);
  expect([...two.items, ...next.items]).toEqual(all.items);
  expect((await read('type=batch.finished')).items).toHaveLength(2);
});

test('a request that waits is answered when something happens, and at the end of its time', async () => {
  const authorization = await archive.daemon.bearer(scopes);
  const read = async (query: string) =>
    JSON.parse(
      (await archive.daemon.send('GET', `/api/v1/events?${query}`, { headers: { authorization } })).text,
    );
  const { after } = await read('last=0');
  const waiting = read(`after=${after}&wait=20`);
  await archive.ingest(line('waited', 1));
  expect((await waiting).items.length).toBeGreaterThan(0);
  const newest = await read('last=0');
  const began = Date.now();
  expect(await read(`after=${newest.after}&wait=1`)).toEqual({
    items: [],
    after: newest.after,
    has_more: false,
    pruned_to: null,
  });
  expect(Date.now() - began).toBeGreaterThanOrEqual(900);
});

test('a stream sends events as they happen, and goes on after Last-Event-ID', async () => {
  const authorization = await archive.daemon.bearer(scopes);
  const open = async (headers: Record<string, string>, query = '') => {
    const stop = new AbortController();
    const answer = await fetch(`${archive.daemon.url}/api/v1/events${query}`, {
      headers: { authorization, accept: 'text/event-stream', ...headers },
      signal: stop.signal,
    });
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    return { reader: (answer.body as ReadableStream<Uint8Array>).getReader(), stop };
  };
  const readUntil = async (reader: ReadableStreamDefaultReader<Uint8Array>, mark: RegExp) => {
    let text = '';
    while (!mark.test(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the stream ended with ${text}`);
      text += Buffer.from(value).toString();
    }
    return text;
  };
  const stream = await open({}, '?last=0');
  await readUntil(stream.reader, /retry/);
  await archive.ingest(line('streamed', 1));
  const text = await readUntil(stream.reader, /event: batch\.finished\ndata: .*\n\n/);
  stream.stop.abort();
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  expect(ids).toEqual(ids.toSorted((one, other) => one - other));
  const resumed = await open({ 'last-event-id': String(ids.at(-2)) });
  expect(await readUntil(resumed.reader, /^id: /m)).toContain(`id: ${ids.at(-1)}\n`);
  resumed.stop.abort();
});

test('too many that wait are refused, and those that left make room', async () => {
  const authorization = await archive.daemon.bearer(scopes);
  const stops = Array.from({ length: 8 }, () => new AbortController());
  const answers = await Promise.all(
    stops.map(({ signal }) =>
      fetch(`${archive.daemon.url}/api/v1/events?last=0`, {
        headers: { authorization, accept: 'text/event-stream' },
        signal,
      }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  const path = '/api/v1/events?last=0&wait=1';
  const refused = await archive.daemon.send('GET', path, { headers: { authorization } });
  expect([refused.status, refused.problem?.code]).toEqual([429, 'rate_limited']);
  for (const stop of stops) stop.abort();
  await expect
    .poll(async () => (await archive.daemon.send('GET', path, { headers: { authorization } })).status, {
      timeout: 10_000,
    })
    .toBe(200);
});

test('nobody reads them without events:read', async () => {
  expect((await archive.daemon.send('GET', '/api/v1/events')).status).toBe(401);
  for (const other of ['runs:read', 'events:read:x']) {
    const authorization = await archive.daemon.bearer([other]);
    expect((await archive.daemon.send('GET', '/api/v1/events', { headers: { authorization } })).status).toBe(
      403,
    );
  }
});

test('osa events shows the last ones, and all as documents', async () => {
  const shown = await archive.osa(['events', '-n', '3'], { scopes });
  expect(shown.code).toBe(0);
  expect(shown.stdout.trimEnd().split('\n')).toHaveLength(3);
  const all = await archive.osa(['events', '--after', '0', '--json'], { scopes });
  const documents = all.stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(documents.map(({ seq }) => seq)).toEqual(documents.map((_, index) => index + 1));
  expect((await archive.osa(['events', '--after', '0', '--last', '1'], { scopes })).code).toBe(2);
});
