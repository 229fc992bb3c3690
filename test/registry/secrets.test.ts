import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { declaration, digestOf } from '../support/database/registry-support.ts';

/** Configs and manifests may hold secrets: only who may read runs sees them, in any answer of any route. */

const secret = 'hunter2';

let daemon: TestDaemon;
let paths: string[];
beforeAll(async () => {
  daemon = await testDaemon();
  paths = await fill();
});
afterAll(() => daemon.close());

/** Puts the secret into every config there is; the answer is every path that may tell of one. */
async function fill(): Promise<string[]> {
  const { digest } = await declaredHook();
  const config = { password: secret };
  await daemon.call('deploy', { json: convention([{ ...hook(digest), config }], { config }) });
  const again = await daemon.call('deploy', {
    json: convention([{ ...hook(digest), config: { password: `${secret}!` } }], {
      config: { token: secret },
    }),
  });
  expect(again.changes.convention_fields.map(({ path }) => path)).toEqual(['ingester']);
  const { id } = await daemon.call('ingest', {
    params: { slug: 'tests' },
    body: `${JSON.stringify({ source_id: 'a', metadata: { value: 1 } })}\n`,
  });
  await until('the ingestion', async () => {
    const { status } = await daemon.call('showIngestion', { params: { id } });
    return status === 'completed';
  });
  const { rows } = await daemon.call('readRows', { params: { schema: 'test-record', feature: 'probe' } });
  const [row] = rows;
  return [
    '/hooks',
    '/hooks/probe',
    '/hooks/probe/releases',
    '/hooks/probe/releases/2',
    '/hooks/probe/releases/3',
    '/hooks/probe/history',
    '/conventions',
    '/conventions/tests',
    '/deploys',
    `/deploys/${again.deploy_id}`,
    `/trace/rows/probe/${row?.id}`,
    `/trace/records/${encodeURIComponent(String(row?.record_srn))}`,
    '/data/test-record/probe',
  ].map((path) => `/api/v1${path}`);
}

async function declaredHook(): Promise<{ digest: string }> {
  await deployHook(daemon, hookCode('return { features: [{ value: 1 }] }'));
  const { live } = await daemon.call('showHook', { params: { name: 'probe' } });
  if (!live) throw new Error('nothing is live');
  return live;
}

const hook = (digest: string) =>
  declaration({
    name: 'probe',
    digest,
    release: { runtime: 'directory', image: undefined, command: [process.execPath, 'hook.mjs'] },
  });

function convention(hooks: readonly object[], ingester: object): object {
  return {
    slug: 'tests',
    title: 'Tests',
    description: 'A convention for tests',
    schema: {
      id: 'test-record',
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks,
    ingester: { ...ingester, release: { image: 'feed', digest: digestOf('feed') } },
  };
}

/** The paths whose answer holds the secret. */
async function telling(authorization: string | undefined): Promise<string[]> {
  const headers = authorization === undefined ? {} : { authorization };
  const answers = await Promise.all(
    paths.map(async (path) => ({ path, ...(await daemon.send('GET', path, { headers })) })),
  );
  expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200));
  return answers.flatMap(({ path, text }) => (text.includes(secret) ? [path] : []));
}

test('are not told to everybody', async () => {
  expect(await telling(undefined)).toEqual([]);
});

test('are hidden from callers who may write but not read runs', async () => {
  const scopes = ['conventions:write', 'hooks:write', 'ingestions:write', 'ingestions:read'];
  expect(await telling(await daemon.bearer(scopes))).toEqual([]);
});

test('are shown to callers who may read runs', async () => {
  const told = await telling(await daemon.bearer(['runs:read']));
  const expected = [
    '/hooks/probe',
    '/releases/2',
    '/releases/3',
    '/conventions/tests',
    '/deploys/',
    '/trace/rows/',
  ];
  expect(told).toHaveLength(expected.length);
  for (const part of expected) expect(told.some((path) => path.includes(part))).toBe(true);
});

test('are shown for a hook to callers who may read its runs, whatever it is named', async () => {
  const own = await telling(await daemon.bearer(['runs:read:probe']));
  expect(own.length).toBe(4);
  expect(own.some((path) => path.includes('/deploys/') || path.includes('/conventions/'))).toBe(false);
  // `tests` is the convention that declares the hook, and could be the name of another hook.
  expect(await telling(await daemon.bearer(['runs:read:tests']))).toEqual([]);
  expect(await telling(await daemon.bearer(['runs:read:*']))).toHaveLength(6);
});

test('their digest is shown to everybody, and distinguishes them', async () => {
  const digests = await Promise.all(
    [2, 3].map(async (version) => {
      const { text } = await daemon.send('GET', `/api/v1/hooks/probe/releases/${version}`);
      const { config, config_digest } = JSON.parse(text) as { config: unknown; config_digest: string };
      expect(config).toBeNull();
      expect(config_digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      return config_digest;
    }),
  );
  expect(new Set(digests).size).toBe(2);
});
