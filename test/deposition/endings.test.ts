import type { Principal } from '@osa/core/auth/principal';
import { deleteDeposition } from '@osa/core/deposition/delete';
import { removeFile } from '@osa/core/deposition/edit';
import { endDeposition } from '@osa/core/deposition/end';
import { showDeposition } from '@osa/core/deposition/read';
import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CoreArchive } from '../support/core-archive.ts';
import { refusal } from '../support/database/registry-support.ts';
import { actor, acts, ada, archiveWith, ben, curator, shown, submitted } from './deposition-support.ts';

/** How depositions end that are never published: their owner deletes a draft, or an operator ends what is submitted. */

let archive: CoreArchive;
beforeAll(async () => {
  archive = await archiveWith('manual');
});
afterAll(() => archive.dispose());

const operator: Principal = { ...actor('operator'), isAdmin: true };
const remove = (who: Principal, id: string, revision?: number) =>
  deleteDeposition(archive.store, { principal: who }, { id, revision });
const end = (who: Principal, id: string, reason = 'asked by mail') =>
  endDeposition(archive.store, { principal: who }, { id, reason });
const list = (status?: 'deleted') =>
  archive.store.depositions.list({ owner: ada }, { of: 'own', limit: 100, cursor: undefined, status });

test('a deleted draft says nothing any more, and that it was there stays', async () => {
  const { id } = await submitted(archive, ada, -1);
  const deleted = await remove(ada, id);
  expect(deleted).toMatchObject({
    status: 'deleted',
    metadata: {},
    files: [],
    deleted_at: expect.any(String),
  });
  expect(deleted.submissions).toMatchObject([{ status: 'rejected' }]);
  expect((await list()).items.map((item) => item.id)).not.toContain(id);
  expect((await list('deleted')).items.map((item) => item.id)).toContain(id);
  const [row] = await archive.database.sql`
    select a.subject, d.deleted_at is not null as told from depositions d join actors a on a.id = d.deleted_by where d.id = ${id}`;
  expect(row).toEqual({ subject: 'ada', told: true });
  for (const act of [
    () => remove(ada, id),
    () => acts(archive, ada).edit(id, { value: 1 }),
    () => acts(archive, ada).submit(id),
    () => acts(archive, ada).withdraw(id),
  ]) {
    expect(await refusal(act())).toMatchObject({ code: 'conflict' });
  }
  expect(await refusal(showDeposition(archive.store, curator, id))).toMatchObject({ code: 'not_found' });
});

test('only its owner deletes a draft, as it was seen, and nothing else than a draft', async () => {
  const { id, revision } = await acts(archive, ada).create({ value: 1 });
  for (const who of [ben, curator, operator]) {
    expect(await refusal(remove(who, id))).toMatchObject({ code: 'not_found' });
  }
  await acts(archive, ada).edit(id, { value: 2 });
  expect(await refusal(remove(ada, id, revision))).toMatchObject({ code: 'precondition_failed' });
  await acts(archive, ada).submit(id);
  expect(await refusal(remove(ada, id))).toMatchObject({ code: 'conflict' });
  await archive.drain();
  expect(await refusal(remove(ada, id))).toMatchObject({ code: 'conflict' });
  await acts(archive, curator).approve(id);
  expect(await refusal(remove(ada, id))).toMatchObject({ code: 'conflict' });
  expect(await shown(archive, id)).toMatchObject({ status: 'accepted', metadata: { value: 2 } });
});

test('a draft that is deleted and submitted at once is one of both', async () => {
  const { id } = await acts(archive, ada).create({ value: 1 });
  const ends = await Promise.allSettled([remove(ada, id), acts(archive, ada).submit(id)]);
  expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  await archive.drain();
});

test('deletions of a day are bounded, since a row of each stays', async () => {
  const { id } = await acts(archive, ada).create({ value: 1 });
  const most = bounds.deletionsPerDay;
  try {
    Object.assign(bounds, { deletionsPerDay: 1 });
    expect(await refusal(remove(ada, id))).toMatchObject({ code: 'rate_limited', details: { limit: 1 } });
  } finally {
    Object.assign(bounds, { deletionsPerDay: most });
  }
  expect((await remove(ada, id)).status).toBe('deleted');
});

test('a file that a draft does not have cannot be removed', async () => {
  const { id } = await acts(archive, ada).create({ value: 1 });
  const removal = removeFile(archive.store, { principal: ada }, { id, revision: undefined, name: 'x.txt' });
  expect(await refusal(removal)).toMatchObject({ code: 'not_found', field: 'name' });
});

test.each(['in_validation', 'in_review'] as const)(
  'an operator ends what is %s, and its owner reads why',
  async (status) => {
    const { id } = await acts(archive, ada).create({ value: 7 });
    await acts(archive, ada).submit(id);
    if (status === 'in_review') await archive.drain();
    expect((await shown(archive, id)).status).toBe(status);
    for (const who of [ben, curator, ada]) {
      expect(await refusal(end(who, id))).toMatchObject({ code: 'access_denied' });
    }
    expect(await end(operator, id)).toMatchObject({ id, status: 'draft' });
    const ended = await shown(archive, id);
    expect(ended).toMatchObject({ status: 'draft', metadata: { value: 7 } });
    expect(ended.submissions[0]).toMatchObject({
      status: 'ended',
      reasons: [],
      ended: { reason: 'asked by mail', actor: { subject: 'operator' } },
    });
    const { items } = await archive.store.audit({ limit: 5 });
    expect(items.find(({ type }) => type === 'deposition.ended')).toMatchObject({
      about: id,
      actor: { subject: 'operator' },
      details: { reason: 'asked by mail', convention: 'bench' },
    });
    expect(JSON.stringify(items)).not.toContain('"value"');
    expect(await refusal(end(operator, id))).toMatchObject({ code: 'not_found' });
    await acts(archive, ada).submit(id);
    await archive.drain();
    const accepted = await acts(archive, curator).approve(id);
    expect(accepted.status).toBe('accepted');
    expect(await refusal(end(operator, id))).toMatchObject({ code: 'conflict' });
  },
);

test('an operator ends no draft, and withdraws what is the own', async () => {
  const { id } = await acts(archive, ada).create({ value: 1 });
  expect(await refusal(end(operator, id))).toMatchObject({ code: 'not_found' });
  expect(await refusal(end(operator, crypto.randomUUID()))).toMatchObject({ code: 'not_found' });
  const own = await acts(archive, operator).create({ value: 1 });
  await acts(archive, operator).submit(own.id);
  expect(await refusal(end(operator, own.id))).toMatchObject({ code: 'conflict' });
});
