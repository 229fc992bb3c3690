import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ingestion } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** Ids by their beginning, and the last run instead of an id. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const { id } = ingestion;
const [older, newer] = ['0198c0de-0000-7000-8000-000000000004', '0198c0de-0000-7000-8000-000000000005'];

function runItem(run: string, status: string, created_at: string) {
  const { convention_id: convention } = ingestion;
  return {
    ...{ id: run, hook_name: 'density', version: 1, release_id: older, status, reason: null, batch: older },
    ...{
      ingestion: id,
      convention,
      attempt_count: 1,
      oom_retries: 0,
      rows: 0,
      created_at,
      started_at: created_at,
    },
    ...{ finished_at: created_at, duration_s: 0, has_logs: true },
  };
}

async function archive(found: readonly string[]) {
  return startFakeServer(({ path }) => {
    const match = (item: string) => ({ id: item, name: 'usgs-earthquakes', at: '2026-03-01T03:04:05.678Z' });
    if (path.startsWith('/api/v1/ids/')) return { body: { items: found.map(match), has_more: false } };
    if (path.includes('/runs?')) {
      const items = [
        runItem(older, 'error', '2026-03-01T03:04:05.678Z'),
        runItem(newer, 'failed', '2026-03-01T03:04:06.678Z'),
      ].filter(({ status }) => path.includes(`status=${status}`));
      return { body: { items, next_cursor: null } };
    }
    if (path.endsWith('/logs'))
      return { headers: { 'content-type': 'text/plain' }, body: `log of ${path}\n` };
    if (path === `/api/v1/ingestions/${id}`) return { body: ingestion };
    return problem(404, 'not_found', `looked for ${path}`);
  });
}

async function osa(found: readonly string[], ...argv: string[]) {
  await using world = await createCliWorld();
  await using server = await archive(found);
  const result = await world.osa(argv, { environment: { OSA_KEY: key, OSA_SERVER: server.url } });
  return { ...result, paths: server.requests.map(({ path }) => path) };
}

describe('an id by its beginning', () => {
  test('is looked up when it is not whole', async () => {
    const { code, stdout, paths } = await osa([id], 'ingestions', 'show', '0198c0de-0');
    expect([code, paths[0]]).toEqual([0, '/api/v1/ids/ingestion/0198c0de-0']);
    expect(stdout).toContain(id);
    expect((await osa([], 'ingestions', 'show', id)).paths[0]).toBe(`/api/v1/ingestions/${id}`);
  });

  test('that several have is refused with all of them', async () => {
    const { code, stdout } = await osa([older, newer], 'runs', 'logs', '0198', '--json');
    const { error } = JSON.parse(stdout);
    expect([code, error.code, error.details.matches]).toEqual([2, 'usage', [older, newer]]);
    expect((await osa([older, newer], 'runs', 'show', '0198')).stderr).toContain(
      `- ${newer}  usgs-earthquakes`,
    );
  });

  test.each([
    [['ingestions', 'retry', 'ffff'], 'ingestion'],
    [['ingestions', 'cancel', 'ffff'], 'ingestion'],
    [['ingestions', 'pause', 'ffff'], 'ingestion'],
    [['ingestions', 'resume', 'ffff'], 'ingestion'],
    [['ingestions', 'show', 'ffff', '--failed'], 'ingestion'],
    [['runs', 'show', 'ffff'], 'run'],
    [['runs', 'logs', 'ffff', '-f'], 'run'],
    [['runs', 'list', '--ingestion', 'ffff'], 'ingestion'],
    [['deploys', 'show', 'ffff'], 'deploy'],
  ])('that none has is not found by %j', async (argv, kind) => {
    const { code, stderr, paths } = await osa([], ...argv);
    expect([code, paths]).toEqual([1, [`/api/v1/ids/${kind}/ffff`]]);
    expect(stderr).toContain(`no ${kind} has an id that begins with ffff; \`osa ${kind}s list\``);
  });

  test('of three characters is too short', async () => {
    expect((await osa([], 'runs', 'show', 'fff')).code).toBe(2);
  });
});

describe('runs logs', () => {
  test('--last --failed shows the newest run that failed or was given up', async () => {
    const { code, stdout } = await osa([], 'runs', 'logs', '--last', '--failed');
    expect([code, stdout]).toEqual([0, `log of /api/v1/hooks/runs/${newer}/logs\n`]);
  });

  test('--failed looks at one hook, and one ingestion', async () => {
    const { paths } = await osa([id], 'runs', 'logs', '--failed', '--hook', 'density', '--ingestion', '0198');
    const asked = (status: string) =>
      `/api/v1/hooks/runs?hook=density&ingestion=${id}&status=${status}&limit=1`;
    expect(paths.slice(1, 3).toSorted()).toEqual([asked('error'), asked('failed')]);
  });

  test('--last has nothing to show where there is no run', async () => {
    const { code, stderr } = await osa([], 'runs', 'logs', '--last');
    expect(code).toBe(1);
    expect(stderr).toContain('there is no run');
  });

  test.each([[[]], [[older, '--last']], [[older, '--hook', 'density']], [['--hook', 'density']]])(
    'with %j does not say which run',
    async (args) => {
      expect((await osa([], 'runs', 'logs', ...args)).code).toBe(2);
    },
  );
});
