import { showDeploy } from '@osa/core/convention/read';
import { activate, rollback } from '@osa/core/hook/live';
import { comparisonQueue } from '@osa/core/postgres/recompute/comparison/queue';
import { compare, listComparisons, showComparison } from '@osa/core/recompute/comparison/compare';
import type { DeployComparison } from '@osa/core/recompute/comparison/comparisons';
import { executeComparison } from '@osa/core/recompute/comparison/execute';
import { activateDeploy } from '@osa/core/recompute/comparison/held-releases';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { refusal } from '../support/database/registry-support.ts';
import { writer } from './recompute-support.ts';

/** A deploy that compares holds its new releases, and makes them live only within the limits. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const times = (factor: number) => ({
  code: hookCode(`return { features: [{ value: metadata.value * ${factor} }] }`),
});
/** Changes one record in ten. */
const oneOff = {
  code: hookCode('return { features: [{ value: metadata.value === 9 ? 0 : metadata.value }] }'),
};
const ten = Array.from({ length: 10 }, (_, n) => record(`s${n}`, n + 1));

async function firstRelease(): Promise<void> {
  await bench.deploy({ probe: times(1) });
  await bench.ingest(ten);
  await bench.drain();
}

async function compared(): Promise<void> {
  const execution = { ...bench.execution, comparisons: comparisonQueue(bench.database) };
  while (await executeComparison(execution, new AbortController().signal));
}

const limit = (max_changed: number, more: Partial<DeployComparison> = {}): DeployComparison => ({
  ...{ sample: 500, seed: 'osa', max_changed, tolerances: {}, keys: {}, ...more },
});

async function live(hook = 'probe'): Promise<number | null | undefined> {
  return (await bench.store.registry.hook(hook))?.live?.version;
}

test('a new release is held, compared, and live within the limit; deploy and release name the report', async () => {
  await firstRelease();
  const answer = await bench.deploy({ probe: oneOff }, {}, { compare: limit(10) });
  expect(answer.changes.hooks).toMatchObject([
    { release: 'created', version: 2, is_live: false, held: true },
  ]);
  expect(answer.holds).toMatchObject([{ hook_name: 'probe', version: 2, live_version: 1, status: 'queued' }]);
  expect((await refusal(activateDeploy(bench.store, writer, answer.deploy_id))).message).toContain(
    'is queued',
  );
  await compared();
  expect(await live()).toBe(1);
  const done = await activateDeploy(bench.store, writer, answer.deploy_id);
  expect(done).toMatchObject({
    changed: true,
    holds: [{ records: 10, changed_records: 1, is_within: true, activated_seq: 2 }],
  });
  expect(await live()).toBe(2);
  expect(await activateDeploy(bench.store, writer, answer.deploy_id)).toMatchObject({ changed: false });
  const [hold] = done.holds;
  expect((await showDeploy(bench.store, writer.principal, answer.deploy_id)).holds).toEqual(done.holds);
  expect(await bench.store.registry.release('probe', 2)).toMatchObject({
    comparison: { id: hold?.comparison_id, records: 10, changed_records: 1, is_tolerant: false },
  });
  const [change] = (await bench.store.registry.history('probe', { limit: 1 }))?.changes ?? [];
  expect(change?.reason).toContain(hold?.comparison_id);
});

test('a release beyond the limit stays not live, whoever asks; a tolerance of the right size lets it through', async () => {
  await firstRelease();
  const { deploy_id: id } = await bench.deploy({ probe: oneOff }, {}, { compare: limit(9.9) });
  await compared();
  const refused = await refusal(activateDeploy(bench.store, writer, id));
  expect(refused).toMatchObject({ code: 'conflict', details: { changed_records: 1, records: 10 } });
  expect(refused.message).toContain('osa hooks activate probe 2');
  expect(await live()).toBe(1);
  const forced = bench.database.sql`
    with moved as (update hooks set live_seq = 2, live_version = 2 where name = 'probe' returning name),
      change as (insert into live_changes (hook, seq, from_version, to_version, kind, actor)
                 select name, 2, 1, 2, 'activate', 1 from moved returning seq)
    update deploy_holds set activated_seq = 2 where deploy = ${id}`;
  await expect(forced).rejects.toThrow(/not within the limit|deploy_holds/);
  const again = await bench.deploy(
    { probe: oneOff },
    {},
    { compare: limit(0, { tolerances: { probe: { value: { abs: 9 } } } }) },
  );
  expect(again).toMatchObject({ changed: true, holds: [{ version: 2 }] });
  await compared();
  await activateDeploy(bench.store, writer, again.deploy_id);
  expect(await live()).toBe(2);
});

test('a rollback in between is not undone, and a release that was live before is not compared again', async () => {
  await firstRelease();
  await bench.deploy({ probe: times(2) });
  const { deploy_id: id } = await bench.deploy({ probe: times(3) }, {}, { compare: limit(100) });
  await compared();
  await rollback(bench.store, writer, 'probe', {});
  const refused = await refusal(activateDeploy(bench.store, writer, id));
  expect(refused).toMatchObject({ code: 'precondition_failed', details: { live_version: 1, live_seq: 3 } });
  expect(await live()).toBe(1);
  // Back where it was, by two moves: that is not what it was compared with either.
  await activate(bench.store, writer, 'probe', { version: 2 });
  expect((await refusal(activateDeploy(bench.store, writer, id))).code).toBe('precondition_failed');
  const known = await bench.deploy({ probe: times(1) }, {}, { compare: limit(100) });
  expect(known).toMatchObject({ changed: false, holds: [] });
  expect(await live()).toBe(2);
});

test('first releases go live at once; all that are held go live together or none', async () => {
  const both = (first: typeof oneOff, second: typeof oneOff) => ({ probe: first, other: second });
  const first = await bench.deploy(both(times(1), times(1)), {}, { compare: limit(0) });
  expect(first.holds).toEqual([]);
  expect([await live('probe'), await live('other')]).toEqual([1, 1]);
  await bench.ingest(ten);
  await bench.drain();
  const { deploy_id: id } = await bench.deploy(both(times(2), oneOff), {}, { compare: limit(50) });
  await compared();
  expect((await refusal(activateDeploy(bench.store, writer, id))).message).toContain('probe: 10 of 10');
  expect([await live('probe'), await live('other')]).toEqual([1, 1]);
});

test('with no record to compare, nothing can change and the release goes live', async () => {
  await bench.deploy({ probe: times(1) });
  const { deploy_id: id } = await bench.deploy({ probe: times(2) }, {}, { compare: limit(0) });
  await compared();
  await activateDeploy(bench.store, writer, id);
  expect(await live()).toBe(2);
});

test('what cannot be compared is refused, and nothing is deployed', async () => {
  await firstRelease();
  const asked = async (compare: DeployComparison, activate = false) =>
    (await refusal(bench.deploy({ probe: times(2) }, {}, { compare, activate }))).field;
  expect(await asked(limit(1, { tolerances: { other: {} } }))).toBe('compare.tolerances.other');
  expect(await asked(limit(1, { tolerances: { probe: { none: { abs: 1 } } } }))).toBe(
    'compare.tolerances.probe.none',
  );
  expect(await asked(limit(1, { keys: { probe: ['value'] } }))).toBe('compare.keys.probe');
  expect(await asked(limit(1), true)).toBe('compare');
  expect((await bench.store.registry.hook('probe'))?.release_count).toBe(1);
  const plain = await bench.deploy({ probe: times(2) });
  expect((await refusal(activateDeploy(bench.store, writer, plain.deploy_id))).code).toBe('conflict');
  const nowhere = '01a208ff-0000-7000-8000-000000000001';
  expect((await refusal(activateDeploy(bench.store, writer, nowhere))).code).toBe('not_found');
});

test('values of a comparison are for readers of runs and for those who could release; all see the counts', async () => {
  await firstRelease();
  const { holds } = await bench.deploy({ probe: times(2) }, {}, { compare: limit(0) });
  await compared();
  const [hold] = holds;
  const by = async (...scopes: string[]) => {
    const principal = { ...writer.principal, isAdmin: false, scopes: new Set(scopes) };
    const { report } = await showComparison(bench.store, principal, hold?.comparison_id ?? '');
    const { items } = await listComparisons(bench.store, principal, 'probe', { limit: 10 });
    expect(items[0]?.report).toEqual(report);
    expect(report).toMatchObject({ records: 10, changed_records: 10, columns: [{ differ: 10 }] });
    return [report?.examples.length, report?.columns[0]?.max_abs, report?.shows_values];
  };
  expect(await by()).toEqual([0, null, false]);
  expect(await by('conventions:write:another', 'runs:read:another')).toEqual([0, null, false]);
  for (const scope of ['runs:read:probe', 'hooks:write:probe', 'conventions:write:bench']) {
    expect(await by(scope), scope).toEqual([10, 10, true]);
  }
  // One that belongs to no deploy is not for deployers.
  const { id } = await compare(bench.store, writer, 'probe', {
    version: 2,
    seed: 'a',
    tolerances: {},
    keys: [],
  });
  await compared();
  const deployer = { ...writer.principal, isAdmin: false, scopes: new Set(['conventions:write:bench']) };
  expect((await showComparison(bench.store, deployer, id)).report?.shows_values).toBe(false);
});
