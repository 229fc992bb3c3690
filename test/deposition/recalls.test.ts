import { afterAll, beforeAll, expect, test } from 'vitest';
import { opened } from '../recall/recall-support.ts';
import { type CoreArchive, convention } from '../support/core-archive.ts';
import { acts, ada, archiveWith, curator, submitted } from './deposition-support.ts';

let archive: CoreArchive;
beforeAll(async () => {
  archive = await archiveWith('manual');
});
afterAll(() => archive.dispose());

test('a recalled platform is of a convention once something that ran on it is published', async () => {
  const { id } = await submitted(archive, ada, 1);
  const platform = `sha256:${'9'.repeat(64)}`;
  await archive.open('owner').transaction(async (tx) => {
    await tx`alter table attempts disable trigger once`;
    await tx`update attempts set platform_digest = ${platform}`;
    await tx`alter table attempts enable trigger once`;
  });
  const recall = await opened(archive, { digest: platform });
  const listed = async () => {
    const query = { limit: 10, cursor: undefined, status: undefined, hook: undefined, convention };
    return (await archive.store.recalls.list(query)).items.map((one) => one.id);
  };
  expect(recall).toMatchObject({ current: { rows: 0, records: 0 }, made: { rows: 0 }, conventions: [] });
  expect(await listed()).toEqual([]);
  await acts(archive, curator).approve(id);
  expect(await listed()).toEqual([recall.id]);
});
