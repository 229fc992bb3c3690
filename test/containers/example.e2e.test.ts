import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@osa/core/postgres/connection/connect';
import { findEmbedded, removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { afterAll, expect, test } from 'vitest';
import { buildImages } from '../../examples/usgs-earthquakes/images.ts';
import { prepare } from '../../examples/usgs-earthquakes/prepare.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { podman } from '../support/containers/images.ts';
import { scratch } from '../support/database/database.ts';
import { osaJson, startDaemon } from '../support/programs.ts';

const prefix = `localhost/osa-example-${process.pid}`;

describeContainers('the example in containers', () => {
  afterAll(async () => {
    const names = ['seismic_energy', 'felt_radius', 'node'].map((name) => `${prefix}/${name}:latest`);
    await podman('rmi', '--force', ...names);
  });

  test('gives the same rows as its processes, byte for byte', async () => {
    const images = await buildImages('podman', prefix);
    const releases = images.flatMap(({ hook, image, digest }) => ['--release', `${hook}=${image}@${digest}`]);
    const inProcesses = await rowsOf('process', ['convention.yaml']);
    const inContainers = await rowsOf('podman', ['convention.container.yaml', ...releases]);
    expect(inContainers.runners).toEqual(['podman']);
    expect(inProcesses.runners).toEqual(['process']);
    expect(inProcesses.rows.length).toBe(1_679 + 137);
    expect(inContainers.rows.join('\n')).toBe(inProcesses.rows.join('\n'));
  }, 120_000);
});

/** Deploys and ingests the example on a daemon of its own; each row as text, by hook and source. */
async function rowsOf(runner: string, deploy: readonly string[]) {
  const place = await scratch();
  await cp(join(import.meta.dirname, '../../examples/usgs-earthquakes'), place.path, { recursive: true });
  await writeFile(join(place.path, 'records.ndjson'), prepare().records);
  await writeFile(join(place.path, 'osad.yaml'), `runner: ${runner}\n`);
  const daemon = await startDaemon(place.path, '--config', 'osad.yaml');
  try {
    await osaJson(place.path, ['deploy', ...deploy]);
    expect(await osaJson(place.path, ['ingest', 'usgs-earthquakes', 'records.ndjson'])).toMatchObject({
      published: 1_679,
      rejected: 28,
    });
    return await readAll(join(place.path, '.osa'));
  } finally {
    await daemon.end('SIGTERM');
    await removeEmbedded(join(place.path, '.osa'));
    await place.dispose();
  }
}

async function readAll(directory: string) {
  const server = await findEmbedded(directory);
  if (!server) throw new Error(`no PostgreSQL runs in ${directory}`);
  const pool = connect({
    url: { ...server.connection, database: 'osa' },
    max: 1,
    applicationName: 'osa tests',
  });
  const rows: string[] = [];
  for (const hook of ['seismic_energy', 'felt_radius']) {
    const found = await pool.sql<{ row: string }[]>`
      select b.source_id || ' ' || (to_jsonb(f) - 'id' - 'outcome_id' - 'run_id')::text as row
      from ${pool.sql(`features.${hook}`)} f
      join outcomes o on o.id = f.outcome_id join batch_records b on b.id = o.batch_record
      where b.status = 'published' order by b.source_id collate "C", f.ordinal`;
    rows.push(...found.map(({ row }) => row));
  }
  const used = await pool.sql<{ runner: string }[]>`select distinct runner from attempts`;
  await pool.close();
  return { rows, runners: used.map(({ runner }) => runner) };
}
