import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { prepare } from '../../examples/usgs-earthquakes/prepare.ts';
import { osa, osaJson } from '../support/programs.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 60_000 });

/** The first hour of somebody who has read the first screen of the README, in the order in which it happens. */

let stage: ProjectDaemon;
let place: string;
beforeAll(async () => {
  stage = await startProjectDaemon();
  place = join(stage.directory, 'minerals');
  await mkdir(place);
});
afterAll(() => stage.close());

/** The CLI's answer, which must be one JSON object on stdout. */
async function ask(...args: string[]) {
  const answer = await osaJson(place, args);
  expect(answer).toBeTypeOf('object');
  expect(answer).not.toBeNull();
  return answer;
}

const hookFile = () => join(place, 'hooks/density/hook.mjs');
const packed = () => packDirectory(join(place, 'hooks/density'));

/** Another precision, so that other rows come of it. */
async function changeHook(): Promise<void> {
  const code = await readFile(hookFile(), 'utf8');
  await writeFile(hookFile(), code.replace('toFixed(digits)', 'toFixed(digits - 1)'));
}

describe('a dataset of one’s own', () => {
  let ingestion: string;

  test('osa init makes one in an empty directory, and names the next steps', async () => {
    const { exitCode, stdout } = await osa(place, ['init']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('osa deploy\n');
    expect(stdout).toContain('osa ingest minerals records.ndjson\n');
  });

  test('osa deploy says of each part what happened', async () => {
    const answer = await ask('deploy');
    expect(answer).toMatchObject({ slug: 'minerals', changed: true, hooks: ['density'] });
    expect(answer.changes).toMatchObject({
      convention: 'created',
      schema: 'created',
      hooks: [{ name: 'density', hook: 'created', release: 'created', version: 1, is_live: true }],
    });
  });

  test('osa deploy again changes nothing, says so, and exits with 0', async () => {
    const { exitCode, stdout } = await osa(place, ['deploy']);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('nothing changed')]);
    const answer = await ask('deploy');
    expect(answer.changed).toBe(false);
    expect(answer.changes).toMatchObject({
      convention: 'unchanged',
      schema: 'unchanged',
      hooks: [{ hook: 'unchanged', release: 'known', version: 1, live_version: 1 }],
    });
    expect((await ask('hooks', 'show', 'density')).release_count).toBe(1);
  });

  test('osa ingest waits for the end and tells the counts', async () => {
    const answer = await ask('ingest', 'minerals', 'records.ndjson');
    ingestion = answer.id;
    expect(answer).toMatchObject({
      status: 'completed',
      records: 5,
      published: 4,
      rejected: 1,
      invalid: 0,
      errored: 0,
      pending: 0,
      rows: 4,
    });
  });

  test('osa trace names the release that made the row, by the digest of the directory', async () => {
    const { digest } = await packed();
    const { rows } = await ask('rows', 'density');
    expect(rows.map((row: { density: number }) => row.density)).toEqual([2.65, 5.017, 7.58, 2.712]);
    const traced = await ask('trace', `density/${rows[0].id}`);
    expect(traced.row.values).toEqual({ density: 2.65 });
    expect(traced.record).toMatchObject({
      srn: rows[0].record_srn,
      source_id: 'sample-1',
      line: 1,
      ingestion,
      metadata: { mineral: 'quartz', mass: 26.5, volume: 10 },
    });
    expect(traced.release).toMatchObject({ version: 1, digest, is_live: true, config: { digits: 3 } });
    expect(traced.run).toMatchObject({ id: rows[0].run_id, status: 'passed', row_count: 4 });
    expect(traced.run.attempts).toMatchObject([{ n: 1, ending: 'exited', resolved_digest: digest }]);

    const { stdout } = await osa(place, ['trace', `density/${rows[0].id}`]);
    expect(stdout).toContain('density v1');
    expect(stdout).toContain(digest);
    const byRecord = await ask('trace', traced.record.srn);
    expect(byRecord.record.source_id).toBe('sample-1');
    expect(byRecord.rows).toMatchObject([{ name: `density/${rows[0].id}`, release: 1, digest }]);
  });

  test.each([
    ['a row', 'density/4711', 'density/4711'],
    ['a hook', 'densty/1', 'densty'],
    ['a record', 'urn:osa:localhost:rec:no-such-record@1', 'urn:osa:localhost:rec:no-such-record@1'],
  ])('osa trace of %s that is not there exits with 1 and says what was looked for', async (_, what, said) => {
    const { exitCode, stdout, stderr } = await osa(place, ['trace', what]);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain(said);
    const answer = await osa(place, ['trace', what, '--json']);
    expect([answer.exitCode, JSON.parse(answer.stdout).error.code]).toEqual([1, 'not_found']);
  });

  test('osa ingestions shows what failed, and why', async () => {
    expect(await ask('ingestions', 'show', ingestion)).toMatchObject({ id: ingestion, records: 5 });
    expect((await ask('ingestions', 'list')).items).toMatchObject([{ id: ingestion }]);
    const { items } = await ask('ingestions', 'show', ingestion, '--failed');
    expect(items).toMatchObject([
      {
        source_id: 'sample-5',
        line: 5,
        status: 'rejected',
        record_srn: null,
        outcomes: [
          { hook: 'density', version: 1, status: 'rejected', reason: expect.stringContaining('volume') },
        ],
      },
    ]);
    const { stdout } = await osa(place, ['ingestions', 'show', ingestion, '--failed']);
    expect(stdout).toMatch(/sample-5 .*rejected .*density v1 .*volume is 0/);
  });

  test('osa deploy of changed code is v2, which is live, and old rows keep v1', async () => {
    const before = await packed();
    await changeHook();
    const after = await packed();
    expect(after.digest).not.toBe(before.digest);
    const answer = await ask('deploy');
    expect(answer).toMatchObject({
      changed: true,
      changes: { convention: 'unchanged', schema: 'unchanged' },
    });
    expect(answer.changes.hooks).toMatchObject([{ hook: 'unchanged', release: 'created', version: 2 }]);
    const { live, releases } = await ask('hooks', 'show', 'density');
    expect(live).toMatchObject({ version: 2, digest: after.digest });
    expect(releases.map((release: { digest: string }) => release.digest)).toEqual([
      after.digest,
      before.digest,
    ]);
    const { rows } = await ask('rows', 'density');
    const { release } = await ask('trace', `density/${rows[0].id}`);
    expect(release).toMatchObject({ version: 1, digest: before.digest, is_live: false, live_version: 2 });
  });

  test('osa ingestions retry tries what was rejected again, under the release that is live', async () => {
    const answer = await ask('ingestions', 'retry', ingestion);
    expect(answer).toMatchObject({ id: ingestion, retried: 1, overtaken: 0, batches: 1 });
    expect(answer.ingestion).toMatchObject({ status: 'completed', published: 4, rejected: 1, retried: 1 });
    const { items } = await ask('ingestions', 'show', ingestion, '--failed');
    expect(items).toMatchObject([{ source_id: 'sample-5', outcomes: [{ version: 2, status: 'rejected' }] }]);
  });

  test('changed records become the next version, made by v2', async () => {
    const changed = { source_id: 'sample-1', metadata: { mineral: 'quartz', mass: 26.6, volume: 10 } };
    await writeFile(join(place, 'corrected.ndjson'), `${JSON.stringify(changed)}\n`);
    expect(await ask('ingest', 'minerals', 'corrected.ndjson')).toMatchObject({ published: 1, rows: 1 });
    const { rows } = await ask('rows', 'density', '--release', '2');
    expect(rows).toMatchObject([{ density: 2.66, release: 2, record_srn: expect.stringMatching(/@2$/) }]);
    expect((await ask('rows', 'density', '--release', '1')).rows).toHaveLength(3);
    expect((await ask('rows', 'density', '--release', '1', '--history')).rows).toHaveLength(4);
  });

  test('osa hooks rollback needs --yes without a terminal, and changes nothing without it', async () => {
    const { exitCode, stdout, stderr } = await osa(place, ['hooks', 'rollback', 'density']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain('--yes');
    expect((await ask('hooks', 'history', 'density')).changes).toHaveLength(2);
  });

  test('osa hooks rollback --yes goes back, with its reason in the history', async () => {
    const { digest } = await packed();
    const args = ['hooks', 'rollback', 'density', '--reason', 'two digits are too few', '--yes'];
    expect(await ask(...args)).toMatchObject({ changed: true, from_version: 2, live_version: 1 });
    const { changes } = await ask('hooks', 'history', 'density');
    expect(changes).toMatchObject([
      { seq: 3, kind: 'rollback', from_version: 2, to_version: 1, reason: 'two digits are too few' },
      { seq: 2, kind: 'release', from_version: 1, to_version: 2 },
      { seq: 1, kind: 'release', from_version: null, to_version: 1 },
    ]);
    expect((await ask('hooks', 'list')).items).toMatchObject([
      { name: 'density', release_count: 2, live_release: { version: 1 } },
    ]);
    expect((await ask('hooks', 'show', 'density')).live.digest).not.toBe(digest);
  });

  test('osa deploy does not undo the rollback, and says so', async () => {
    const { exitCode, stdout } = await osa(place, ['deploy']);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('known release v2, not live')]);
    expect(await ask('deploy')).toMatchObject({
      changed: false,
      changes: { hooks: [{ release: 'known', version: 2, is_live: false, live_version: 1 }] },
    });
    const next = { source_id: 'sample-6', metadata: { mineral: 'gold', mass: 193.21, volume: 10 } };
    await writeFile(join(place, 'next.ndjson'), `${JSON.stringify(next)}\n`);
    await ask('ingest', 'minerals', 'next.ndjson');
    const { rows } = await ask('rows', 'density', '--release', '1', '--limit', '100');
    expect(rows.at(-1)).toMatchObject({ density: 19.321, release: 1 });
  });

  test('osa rollback with nothing before is refused', async () => {
    const { exitCode, stdout } = await osa(place, ['hooks', 'rollback', 'density', '--yes', '--json']);
    expect([exitCode, JSON.parse(stdout).error.code]).toEqual([1, 'conflict']);
  });

  test('osa init leaves the files of a dataset alone', async () => {
    const before = await readFile(hookFile(), 'utf8');
    expect((await osa(place, ['init'])).exitCode).toBe(2);
    expect(await readFile(hookFile(), 'utf8')).toBe(before);
  });
});

test('the earthquakes: 1,707 events, 1,679 published, 28 rejected with a reason, 137 felt distances', async () => {
  place = join(stage.directory, 'quakes');
  const example = join(import.meta.dirname, '../../examples/usgs-earthquakes');
  await mkdir(place);
  for (const name of ['convention.yaml', 'convention.v2.yaml', 'hooks']) {
    await cp(join(example, name), join(place, name), { recursive: true });
  }
  const { records, corrected } = prepare();
  await writeFile(join(place, 'records.ndjson'), records);
  await writeFile(join(place, 'corrected.ndjson'), corrected);
  await ask('deploy');
  const ingestion = await ask('ingest', 'usgs-earthquakes', 'records.ndjson');
  expect(ingestion).toMatchObject({
    status: 'completed',
    records: 1707,
    published: 1679,
    rejected: 28,
    invalid: 0,
    errored: 0,
  });

  const { items } = await ask('ingestions', 'show', ingestion.id, '--failed');
  expect(items).toHaveLength(28);
  for (const item of items) {
    expect(item).toMatchObject({
      status: 'rejected',
      reason: expect.stringMatching(/explosion|quarry blast/),
    });
  }
  const energies = await everyRow('seismic_energy');
  const radii = await everyRow('felt_radius');
  expect([energies.length, radii.length]).toEqual([1679, 137]);
  expect(new Set(energies.map((row) => row.record_srn)).size).toBe(1679);
  expect(new Set(radii.map((row) => row.record_srn)).size).toBe(29);

  await ask('deploy', 'convention.v2.yaml');
  expect(await ask('ingest', 'usgs-earthquakes', 'corrected.ndjson')).toMatchObject({
    records: 72,
    published: 30,
    unchanged: 42,
  });
  const { digest } = await packDirectory(join(place, 'hooks/seismic_energy_v2'));
  const second = await everyRow('seismic_energy', '--release', '2');
  expect(second).toHaveLength(30);
  expect(await everyRow('seismic_energy', '--release', '1')).toHaveLength(1649);
  const { release, record } = await ask('trace', `seismic_energy/${second[0]?.id}`);
  expect([release.version, release.digest, record.version]).toEqual([2, digest, 2]);
  // The hint to the next page keeps the filters: a cursor alone would go on with other rows.
  const { stderr } = await osa(place, ['rows', 'seismic_energy', '--release', '2', '--limit', '3']);
  for (const part of ['--release 2', '--limit 3', '--cursor ']) expect(stderr).toContain(part);
});

/** Page after page, each within a bound: the tables are as fresh as they are for a newcomer, and have no statistics. */
async function everyRow(hook: string, ...options: string[]): Promise<{ id: number; record_srn: string }[]> {
  const found = [];
  for (let cursor: string[] = []; ; ) {
    const start = performance.now();
    const page = await ask('rows', hook, '--limit', '1000', ...options, ...cursor);
    expect(performance.now() - start).toBeLessThan(5_000);
    found.push(...page.rows);
    if (page.next_cursor === null) return found;
    cursor = ['--cursor', page.next_cursor];
  }
}
