import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ingestion, showConvention } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, type FakeAnswer, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const running = { ...ingestion, status: 'running', pending: 707, finished_at: null };
const line = '{"source_id":"a","metadata":{}}\n';

/** A server that answers each look at the ingestion with the next of `looks`, and with the last one from then on. */
async function archive(...looks: (FakeAnswer | 'cut')[]) {
  const left = [...looks];
  return startFakeServer(({ method, path }) => {
    if (path === '/api/v1/conventions/usgs-earthquakes') return { body: showConvention };
    if (path.includes('/records?')) return { body: { items: [failed], next_cursor: null } };
    if (path.endsWith('/retry')) {
      return { body: { id: ingestion.id, retried: 28, overtaken: 1, batches: 1 } };
    }
    if (method === 'POST' && path.startsWith('/api/v1/conventions/usgs-earthquakes/ingestions')) {
      return { status: 201, body: running };
    }
    const next = left.length > 1 ? left.shift() : left[0];
    return next ?? problem(404, 'not_found', `looked for ${path}`);
  });
}

const failed = {
  source_id: 'ak18259',
  line: 12,
  batch: 0,
  status: 'rejected',
  reason: null,
  record_srn: null,
  outcomes: [
    { hook: 'felt_radius', version: 1, status: 'passed', reason: null },
    { hook: 'seismic_energy', version: 2, status: 'rejected', reason: 'not an earthquake' },
  ],
};

describe('ingest', () => {
  test('waits until the ingestion is done, through a server that restarts, and tells the counts', async () => {
    await using world = await createCliWorld();
    const away = Array.from({ length: 5 }, () => 'cut' as const);
    await using server = await archive({ body: running }, ...away, { body: running }, { body: ingestion });
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const options = { environment, stdin: line };
    const { code, stdout } = await world.osa(['ingest', 'usgs-earthquakes', '-'], options);
    expect(code).toBe(0);
    for (const shown of ['completed', '1,707', '1,679', '28', '3,358', 'ingestions show', '--failed']) {
      expect(stdout).toContain(shown);
    }
  });

  test('exits with 1 when the ingestion failed, and tells why', async () => {
    await using world = await createCliWorld();
    const reasons = ['the hook seismic_energy has no live release'];
    await using server = await archive({ body: { ...ingestion, status: 'failed', reasons } });
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const options = { environment, stdin: line };
    const { code, stdout } = await world.osa(['ingest', 'usgs-earthquakes', '-'], options);
    expect(code).toBe(1);
    expect(stdout).toContain(reasons[0]);
  });

  test('says that an ingestion goes on when the wait for it is interrupted', async () => {
    await using world = await createCliWorld();
    const interruption = new AbortController();
    await using server = await archive({ body: running });
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const waiting = world.osa(['ingest', 'usgs-earthquakes', '-'], {
      environment,
      stdin: line,
      signal: interruption.signal,
    });
    await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBeGreaterThan(2);
    interruption.abort();
    const { code, stderr } = await waiting;
    expect(code).toBe(130);
    expect(stderr).toContain(`osa ingestions show ${ingestion.id}`);
  });

  test.each([
    ['is not there', 'nowhere.ndjson', 'nowhere.ndjson is not there; the convention comes first'],
    ['is a directory', '.', 'directory'],
  ])('sends nothing when the file %s', async (_, file, said) => {
    await using world = await createCliWorld();
    await using server = await archive();
    const options = { environment: { OSA_KEY: key, OSA_SERVER: server.url } };
    const { code, stderr } = await world.osa(['ingest', 'usgs-earthquakes', file], options);
    expect(code).toBe(2);
    expect(stderr).toContain(said);
    expect(server.requests).toHaveLength(0);
  });

  test.each([
    ['cannot read', problem(400, 'malformed', 'line 1: not JSON', { details: { line: 1 } })],
    ['refuses', problem(422, 'invalid', 'line 1: twice', { field: 'source_id', details: { line: 1 } })],
    ['finds too large', problem(413, 'too_large', 'line 1: too long', { details: { line: 1 } })],
  ])('exits with 2 for a file whose content the server %s, and names it', async (_, refusal) => {
    await using world = await createCliWorld();
    await writeFile(join(world.cwd, 'records.ndjson'), line);
    await using server = await startFakeServer(({ method }) =>
      method === 'GET' ? { body: showConvention } : refusal,
    );
    const argv = ['ingest', 'usgs-earthquakes', 'records.ndjson', '--json'];
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const { code, stdout } = await world.osa(argv, { environment });
    const said = refusal.body as { code: string; message: string; field?: string };
    expect([code, JSON.parse(stdout).error]).toEqual([
      2,
      {
        code: 'usage',
        message: `records.ndjson: ${said.message}`,
        field: said.field ?? 'file',
        details: { line: 1, code: said.code },
      },
    ]);
  });
});

describe('ingestions', () => {
  test('show --failed gives each record with the hook that did not pass it, and the reason', async () => {
    await using world = await createCliWorld();
    await using server = await archive({ body: ingestion });
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const { stdout } = await world.osa(['ingestions', 'show', ingestion.id, '--failed'], { environment });
    expect(stdout).toMatch(/12 +ak18259 +rejected +seismic_energy v2 +not an earthquake\n/);
    expect(server.requests.at(-1)?.path).toContain('status=failed');
  });

  test('retry waits for the new batches, and returns at once with --no-wait', async () => {
    await using world = await createCliWorld();
    await using server = await archive({ body: running }, { body: ingestion });
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const waited = await world.osa(['ingestions', 'retry', ingestion.id, '--json'], { environment });
    expect(JSON.parse(waited.stdout)).toMatchObject({ retried: 28, ingestion: { status: 'completed' } });
    const looks = server.requests.length;
    const { code, stdout } = await world.osa(['ingestions', 'retry', ingestion.id, '--no-wait'], {
      environment,
    });
    expect([code, server.requests.length]).toEqual([0, looks + 1]);
    expect(stdout).toContain('28 records tried again, 1 left alone');
  });

  test.each([
    [{}, 'none has failed'],
    [
      { pending: 5, running: [{ hook: 'severity', version: 4, batches: 1 }] },
      'none has failed; 5 are not done; claimed batches run under severity v4',
    ],
    [{ pending: 1 }, 'none has failed; 1 is still waiting to run'],
    [{ invalid: 2 }, '2 records break the schema'],
    [{ overtaken: 3 }, 'the sources of 3 failed records came in again later'],
  ])('retry says why nothing is tried again: %j', async (answer, said) => {
    await using world = await createCliWorld();
    const nothing = {
      id: ingestion.id,
      retried: 0,
      overtaken: 0,
      batches: 0,
      invalid: 0,
      pending: 0,
      running: [],
    };
    await using server = await startFakeServer(() => ({ body: { ...nothing, ...answer } }));
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const { code, stdout } = await world.osa(['ingestions', 'retry', ingestion.id], { environment });
    expect(code).toBe(0);
    expect(stdout).toContain('0 records tried again');
    expect(stdout).toContain(said);
  });

  test('results say the time of the retry, or when it ended, and no rate', async () => {
    await using world = await createCliWorld();
    const old = { ...ingestion, started_at: '2020-01-01T00:00:00.000Z', retried: 28 };
    const ended = { ...old, finished_at: new Date().toISOString() };
    await using server = await archive(
      { body: { ...old, status: 'running', finished_at: null } },
      { body: ended },
    );
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const waited = await world.osa(['ingestions', 'retry', ingestion.id], { environment });
    expect(waited.stdout).toMatch(/completed after \d\.\d\d s,/);
    expect(waited.stdout).not.toContain('rows/s');
    const shown = await world.osa(['ingestions', 'show', ingestion.id], { environment });
    expect(shown.stdout).toContain(`completed at ${ended.finished_at.slice(0, 19).replace('T', ' ')} UTC,`);
  });
});
