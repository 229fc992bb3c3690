import { DeployRequest } from '@osa/core/convention/convention';
import { planConvention } from '@osa/core/convention/deploy';
import { activate } from '@osa/core/hook/live';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { person } from '../support/database/registry-support.ts';

/** Counts of rows that a change of the schema or of a release leaves behind, and the changes of a release by name. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const schema = (version: string) => ({
  schema: {
    id: 'bench-record',
    version,
    fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' } as const],
  },
});
const twice = {
  code: hookCode('return { features: [{ value: 1 }, { value: 2 }] }'),
  cardinality: 'many',
} as const;
const once = { code: hookCode('return { features: [{ value: 3 }] }'), cardinality: 'many' } as const;

test('current rows are counted by schema version and release; rows of older record versions are not', async () => {
  await bench.deploy({ probe: twice });
  await bench.ingest([record('a', 1), record('b', 1), record('c', 1)]);
  await bench.drain();
  await bench.deploy({ probe: once });
  await bench.ingest([record('c', 2)]);
  await bench.drain();
  await bench.deploy({ probe: once }, schema('1.1.0'));
  await bench.ingest([record('a', 2), record('d', 1)]);
  await bench.drain();
  const of = (version: string) => ({ id: 'bench-record', version });
  expect(await bench.store.registry.currentRows('probe')).toEqual({
    hook_name: 'probe',
    items: [
      { schema_id: of('1.1.0'), version: 2, rows: 2 },
      { schema_id: of('1.0.0'), version: 2, rows: 1 },
      { schema_id: of('1.0.0'), version: 1, rows: 2 },
    ],
  });
  expect(await bench.store.registry.currentRows('nothing')).toBeUndefined();
});

test('a deploy names the batches that keep the release which it leaves', async () => {
  await bench.deploy({ probe: once });
  const { id } = await bench.ingest([record('a', 1)]);
  await bench.execution.queue.claim({
    ...{ name: 'other', leaseMs: 60_000, runtimes: ['directory'], fullHooks: [] },
  });
  const kept = [{ hook: 'probe', version: 1, ingestion_id: id, convention_id: 'bench', batches: 1 }];
  expect(await bench.deploy({ probe: twice })).toMatchObject({ still_running: kept });
  expect(await bench.deploy({ probe: twice })).toMatchObject({ still_running: [] });
});

test('a plan says by part what each release differs in from the live one, and its config only to readers of runs', async () => {
  const config = { relation: 'hanks', kept: 1 };
  const { deploy_id } = await bench.deploy({ probe: { ...once, config } });
  const [stored] = await bench.database.sql<{ manifest: object }[]>`
    select manifest from deploys where id = ${deploy_id}`;
  const declared = DeployRequest.parse(stored?.manifest);
  const [hook] = declared.hooks;
  if (!hook) throw new Error('nothing was declared');
  const digest = `sha256:${'c'.repeat(64)}`;
  const next = {
    ...declared,
    hooks: [
      {
        ...hook,
        config: { relation: 'choy', kept: 1 },
        limits: { ...hook.limits, memory: '2g' },
        release: { ...hook.release, digest, command: ['node', 'other.mjs'] },
      },
    ],
  } as DeployRequest;
  const plan = async (principal: typeof admin, request = next) =>
    (await planConvention(bench.store, principal, request, { activate: false })).changes.hooks[0]
      ?.differences;
  const parts = [
    { path: 'digest', from: hook.release.digest, to: digest },
    { path: 'command', from: ['node', 'hook.mjs'], to: ['node', 'other.mjs'] },
    { path: 'limits.memory', from: hook.limits.memory, to: '2g' },
  ];
  const shown = await plan(admin);
  expect(shown).toHaveLength(4);
  expect(shown).toEqual(
    expect.arrayContaining([...parts, { path: 'config.relation', from: 'hanks', to: 'choy' }]),
  );
  const deployer = await plan(person('conventions:write'));
  expect(deployer).toHaveLength(4);
  expect(deployer?.map(({ path }) => path)).toEqual(expect.arrayContaining(['config_digest', 'digest']));
  expect(JSON.stringify(deployer)).not.toContain('hanks');
  expect(await plan(admin, declared)).toEqual([]);
  // A known release that is not live differs too; what a deploy stores shows no config.
  const second = await bench.deploy({ probe: { ...once, config: { relation: 'secret' } } });
  expect(JSON.stringify(second.changes)).toContain('hanks');
  const listed = JSON.stringify(await bench.store.registry.deploys({ limit: 10 }));
  expect([listed.includes('hanks'), listed.includes('secret'), listed.includes('config_digest')]).toEqual([
    false,
    false,
    true,
  ]);
  expect(await plan(admin, declared)).toMatchObject([
    { path: 'config.relation', from: 'secret', to: 'hanks' },
    { path: 'config.kept', from: null, to: 1 },
    ...[{ path: 'digest' }].slice(1),
  ]);
  await activate(bench.store, { principal: admin }, 'probe', { version: 1 });
  expect(await plan(admin, declared)).toEqual([]);
});
