import { type Failpoint, holdAtFailpoints } from '@osa/core/failpoint';
import { activate, rollback } from '@osa/core/hook/live';
import { cancelRecompute, retryRecompute } from '@osa/core/recompute/control';
import { planRecompute, recompute } from '@osa/core/recompute/recompute';
import { beforeEach, expect, test } from 'vitest';
import { acts, ada, ben, curator, shown as deposition, submitted } from '../deposition/deposition-support.ts';
import { type CoreArchive, coreArchive, hookCode } from '../support/core-archive.ts';
import { refusal } from '../support/database/registry-support.ts';
import { countsOf, rowsOf, shown, writer } from './recompute-support.ts';

/** Depositions in review hold answers of a release. A recompute that leaves it leaves nothing that an approval could bring back. */

let archive: CoreArchive;
beforeEach(async () => {
  archive = await coreArchive();
  await deploy(1);
  await deploy(2);
  return () => archive.dispose();
});

function deploy(version: number, overrides: { readonly slug?: string } = {}) {
  const code = hookCode(`return { features: [{ value: metadata.value * 10 + ${version} }] }`);
  const other = hookCode('return { features: [{ value: 0 }] }');
  return archive.deploy({ probe: { code }, other: { code: other } }, { curation: 'manual', ...overrides });
}

/** Where the next caller waits. */
let stop: { readonly at: Failpoint; reached(): void; readonly until: Promise<void> } | undefined;
holdAtFailpoints(async (point) => {
  if (stop?.at !== point) return;
  const { reached, until } = stop;
  stop = undefined;
  reached();
  await until;
});

/** Waits until `act` is at the failpoint, does `meanwhile`, and lets it go on. */
async function during(at: Failpoint, act: () => Promise<unknown>, meanwhile: () => Promise<void>) {
  const [reached, until] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  stop = { at, reached: reached.resolve, until: until.promise };
  const acted = act();
  await reached.promise;
  await meanwhile().finally(until.resolve);
  await acted;
}

const healed = () => rollback(archive.store, writer, 'probe', { heal: true });

test('a heal sends it back to validation under the live release; it is in review again, and is approved', async () => {
  const before = await submitted(archive, ada, 3);
  expect(before.status).toBe('in_review');
  const { recompute: healing } = await healed();
  await archive.drain();
  const again = await deposition(archive, before.id);
  expect(again).toMatchObject({
    status: 'in_review',
    submissions: [{ status: 'in_review', runs: [{ hook: 'other' }, { hook: 'probe', version: 1 }] }],
  });
  expect(await shown(archive, healing?.id ?? '')).toMatchObject({ status: 'completed', records: 0 });
  // A reviewer who looked before it came back has not seen what is approved now.
  expect((await refusal(acts(archive, curator).approve(before.id, before.revision))).code).toBe(
    'precondition_failed',
  );
  await acts(archive, curator).approve(before.id, again.revision);
  expect(await rowsOf(archive)).toEqual([`deposition-${before.id} 31 v1`]);
  expect(await archive.store.recomputes.staleOf('probe')).toMatchObject({ stale_records: 0, missing: 0 });
  const { kept, real } = await countsOf(archive);
  expect(kept).toEqual(real);
});

test('so does one that was in validation when the heal began', async () => {
  const { id } = await acts(archive, ada).create({ value: 4 });
  await acts(archive, ada).submit(id);
  let healing = '';
  await during(
    'claim.after-commit',
    () => archive.drain(),
    async () => {
      const answer = await healed();
      expect(answer.still_running).toMatchObject([{ version: 2, batches: 1 }]);
      healing = answer.recompute?.id ?? '';
    },
  );
  await archive.drain();
  expect(await deposition(archive, id)).toMatchObject({
    status: 'in_review',
    submissions: [{ runs: [{ hook: 'other' }, { hook: 'probe', version: 1 }] }],
  });
  expect(await shown(archive, healing)).toMatchObject({ status: 'completed' });
});

test('one that is approved in the moment of the heal is computed again as published records are', async () => {
  const { id } = await submitted(archive, ada, 5);
  let healing = '';
  await during(
    'review.decided',
    () => acts(archive, curator).approve(id),
    async () => {
      healing = (await healed()).recompute?.id ?? '';
      await archive.drain();
      expect(await shown(archive, healing)).toMatchObject({ status: 'running', is_cut: false });
    },
  );
  await archive.drain();
  expect(await rowsOf(archive)).toEqual([`deposition-${id} 51 v1`, `deposition-${id} 52 v2 (history)`]);
  expect(await shown(archive, healing)).toMatchObject({ status: 'completed', passed: 1 });
});

test('more than one step takes back are all taken back', { timeout: 120_000 }, async () => {
  const ids: string[] = [];
  for (let value = 0; value < 6; value += 1) {
    const who = value % 2 === 0 ? ada : ben;
    const { id } = await acts(archive, who).create({ value });
    await acts(archive, who).submit(id);
    ids.push(id);
  }
  await archive.drain();
  await healed();
  await archive.drain();
  for (const id of ids) {
    const { submissions } = await deposition(archive, id);
    expect(submissions[0]).toMatchObject({ status: 'in_review', runs: [{}, { version: 1 }] });
  }
});

test('a recompute of what is stale takes it back, though no published record is stale', async () => {
  const { id } = await submitted(archive, ada, 6);
  await activate(archive.store, writer, 'probe', { version: 1 });
  expect(await planRecompute(archive.store, writer, 'probe', {})).toMatchObject({ records: 0, in_review: 1 });
  const { id: made, releases } = await recompute(archive.store, writer, 'probe', {});
  expect(releases).toEqual([2]);
  await archive.drain();
  expect(await shown(archive, made)).toMatchObject({ status: 'completed', records: 0 });
  expect(await deposition(archive, id)).toMatchObject({
    submissions: [{ status: 'in_review', runs: [{}, { version: 1 }] }],
  });
});

test('what other releases and other hooks answered stays in review as it is', async () => {
  const { id } = await submitted(archive, ada, 7);
  const before = await archive.database.sql`select id, version from runs order by id`;
  await deploy(3);
  await recompute(archive.store, writer, 'probe', { releases: [1] });
  await rollback(archive.store, writer, 'probe', { to: 2, heal: true });
  await archive.drain();
  expect(await archive.database.sql`select id, version from runs order by id`).toEqual(before);
  expect((await acts(archive, curator).approve(id)).status).toBe('accepted');
});

test('a release that is live again in the middle of its heal ends nothing twice', async () => {
  const { id } = await submitted(archive, ada, 8);
  const { recompute: healing } = await healed();
  await activate(archive.store, writer, 'probe', { version: 2 });
  await archive.drain();
  expect(await deposition(archive, id)).toMatchObject({
    submissions: [{ status: 'in_review', runs: [{}, { version: 2 }] }],
  });
  const [ran] = await archive.database.sql<
    { runs: number }[]
  >`select count(*)::integer as runs from runs where hook = 'probe'`;
  expect(ran?.runs).toBe(2);
  expect(await shown(archive, healing?.id ?? '')).toMatchObject({ status: 'completed' });
});

test('a heal that was cancelled and is retried takes back what came into review meanwhile', async () => {
  const { recompute: healing } = await healed();
  await cancelRecompute(archive.store, writer, healing?.id ?? '', {});
  await activate(archive.store, writer, 'probe', { version: 2 });
  const { id } = await submitted(archive, ada, 9);
  await rollback(archive.store, writer, 'probe', {});
  expect(await retryRecompute(archive.store, writer, healing?.id ?? '')).toMatchObject({ goes_on: true });
  await archive.drain();
  expect(await deposition(archive, id)).toMatchObject({
    submissions: [{ status: 'in_review', runs: [{}, { version: 1 }] }],
  });
  expect(await shown(archive, healing?.id ?? '')).toMatchObject({ status: 'completed' });
});

test('a recompute of one convention waits for no review of another', async () => {
  const { id } = await acts(archive, ada).create({ value: 10 });
  await acts(archive, ada).submit(id);
  let made = '';
  await during(
    'claim.after-commit',
    () => archive.drain(),
    async () => {
      await activate(archive.store, writer, 'probe', { version: 1 });
      await deploy(2, { slug: 'elsewhere' });
      const request = { releases: [2], convention: 'elsewhere' };
      made = (await recompute(archive.store, writer, 'probe', request)).id;
    },
  );
  await archive.drain();
  expect(await deposition(archive, id)).toMatchObject({
    submissions: [{ status: 'in_review', runs: [{}, { version: 2 }] }],
  });
  expect(await shown(archive, made)).toMatchObject({ status: 'completed' });
});
