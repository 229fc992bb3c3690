import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { until } from '../support/database/database.ts';
import { osa, osaJson } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';
import { type ProjectDaemon, refused, startProjectDaemon } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 120_000 });

/** An operator's holds from the command line, over a hook that never ends by itself. */

let stage: ProjectDaemon;
let place: string;
beforeAll(async () => {
  stage = await startProjectDaemon();
  place = await stage.project();
  const pid = JSON.stringify(pidFile());
  const code = `import { renameSync, writeFileSync } from 'node:fs';
writeFileSync(${pid} + '.new', String(process.pid));
renameSync(${pid} + '.new', ${pid});
setInterval(() => {}, 1_000);
`;
  await writeProject(place, { code, hook: 'endless' });
  await writeRecords(join(place, 'records.ndjson'), [['a', 1]]);
  await osaJson(place, ['deploy']);
});
afterAll(() => stage.close());

const pidFile = () => join(place, 'pid');

test('a hook is paused and resumed, and an ingestion paused, resumed and cancelled while its hook runs', async () => {
  const reason = ['--reason', 'wrong units'];
  const paused = await osaJson(place, ['hooks', 'pause', 'endless', ...reason]);
  expect(paused).toMatchObject({ hook_name: 'endless', changed: true, paused: { reason: 'wrong units' } });
  expect(await osaJson(place, ['hooks', 'pause', 'endless'])).toEqual({ ...paused, changed: false });
  const { id } = await osaJson(place, ['ingest', 'numbers', 'records.ndjson', '--no-wait']);
  const waiting = await osaJson(place, ['ingestions', 'show', id]);
  expect(waiting).toMatchObject({ batches: { queued: 1 }, reasons: ['hook endless is paused: wrong units'] });
  expect((await osa(place, ['hooks', 'list'])).stdout).toContain('endless (paused)');
  expect((await osa(place, ['hooks', 'show', 'endless'])).stdout).toContain('wrong units');

  expect(await osaJson(place, ['ingestions', 'pause', id, ...reason])).toMatchObject({ status: 'paused' });
  expect(await osaJson(place, ['hooks', 'resume', 'endless'])).toMatchObject({ changed: true, paused: null });
  expect(existsSync(pidFile())).toBe(false);
  expect((await osa(place, ['ingestions', 'show', id])).stdout).toContain(`osa ingestions resume ${id}`);
  expect(await osaJson(place, ['ingestions', 'resume', id])).toMatchObject({ status: 'running' });

  await until('the hook', async () => existsSync(pidFile()));
  const pid = Number(await readFile(pidFile(), 'utf8'));
  const unasked = await refused(place, ['ingestions', 'cancel', id], { exit: 2 });
  expect(unasked).toMatchObject({ code: 'usage', field: 'yes' });
  const cancel = ['ingestions', 'cancel', id, '--reason', 'wrong file', '--yes'];
  const cancelled = await osaJson(place, cancel);
  expect(cancelled).toMatchObject({ status: 'cancelled', errored: 1, published: 0, pending: 0 });
  expect(cancelled.reasons[0]).toMatch(/^cancelled by .*: wrong file$/);
  await until('the end of the hook', async () => isGone(pid));
  expect(cancelled.changed).toBe(true);
  const again = { ...cancelled, changed: false };
  expect(await osaJson(place, cancel)).toEqual(again);
  expect(await osaJson(place, ['ingestions', 'cancel', id])).toEqual(again);
  const late = await refused(place, ['ingestions', 'pause', id], { exit: 1 });
  expect(late.code).toBe('conflict');
});

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
