import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CoreArchive } from '../support/core-archive.ts';
import { refusal } from '../support/database/registry-support.ts';
import { acts, ada, archiveWith, ben, shown } from './deposition-support.ts';

/** One depositor cannot fill the queue, which everybody waits in. */

let archive: CoreArchive;
beforeAll(async () => {
  archive = await archiveWith('auto');
});
afterAll(() => archive.dispose());

async function drafts(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) ids.push((await acts(archive, ada).create({ value: made })).id);
  return ids;
}

test('submissions at the same time stay within the bound together; the rest stay drafts, and others submit', {
  timeout: 120_000,
}, async () => {
  const ids = await drafts(bounds.openSubmissions + 3);
  const ended = await Promise.allSettled(ids.map((id) => acts(archive, ada).submit(id)));
  const refused = ended.flatMap((end, index) =>
    end.status === 'rejected' ? [{ code: end.reason.code, id: ids[index] ?? '' }] : [],
  );
  expect(refused.map(({ code }) => code)).toEqual(['conflict', 'conflict', 'conflict']);
  const [late] = refused;
  expect((await shown(archive, late?.id ?? '')).status).toBe('draft');
  const other = await acts(archive, ben).create({ value: 1 });
  expect((await acts(archive, ben).submit(other.id)).status).toBe('in_validation');

  const { queue } = await archive.store.status();
  expect(queue.conventions).toMatchObject([{ queued: bounds.openSubmissions + 1 }]);
  expect(JSON.stringify(queue)).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}/);

  await archive.drain();
  expect((await acts(archive, ada).submit(late?.id ?? '')).status).toBe('in_validation');
  await archive.drain();
});

test('a submission beyond those of a day is refused with the time to wait, and is a draft', async () => {
  const [id = ''] = await drafts(1);
  const { store } = archive;
  const most = bounds.submissionsPerDay;
  try {
    Object.assign(bounds, { submissionsPerDay: 5 });
    const refused = await refusal(acts({ ...archive, store }, ada).submit(id));
    expect(refused).toMatchObject({ code: 'rate_limited', details: { limit: 5 } });
    const seconds = Number(refused.details?.retry_after_seconds);
    expect(seconds).toBeGreaterThan(86_000);
    expect(seconds).toBeLessThanOrEqual(86_400);
    expect((await shown(archive, id)).status).toBe('draft');
  } finally {
    Object.assign(bounds, { submissionsPerDay: most });
  }
  expect((await acts(archive, ada).submit(id)).status).toBe('in_validation');
});
