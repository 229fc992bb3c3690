import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { afterAll, expect, test } from 'vitest';
import { buildImages } from '../../examples/usgs-earthquakes/images.ts';
import { prepare } from '../../examples/usgs-earthquakes/prepare.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { podman } from '../support/containers/images.ts';
import { scratch } from '../support/database/database.ts';
import { osa, osaJson, startDaemon } from '../support/programs.ts';

const prefix = `localhost/osa-replay-${process.pid}`;
const names = ['seismic_energy', 'felt_radius', 'node'].map((name) => `${prefix}/${name}:latest`);

/** Builds an image once more with a label: this machine may have another one of the same files, which would not be gone. */
async function withOwnDigest(image: string, context: string): Promise<string> {
  await mkdir(context, { recursive: true });
  await writeFile(join(context, 'Containerfile'), `FROM ${image}:latest\n`);
  const label = `osa.test=${process.pid}-${Date.now()}`;
  await podman('build', '--quiet', '--layers=false', '--label', label, '--tag', `${image}:latest`, context);
  return podman('image', 'inspect', `${image}:latest`, '--format', '{{.Digest}}');
}

describeContainers('the example is replayed in containers', () => {
  afterAll(async () => void (await podman('rmi', '--force', '--ignore', ...names)));

  test('all results are identical; with the image gone none can be replayed', async () => {
    const place = await scratch();
    const images = await buildImages('podman', prefix);
    const releases: string[] = [];
    for (const { hook, image } of images) {
      releases.push(
        '--release',
        `${hook}=${image}@${await withOwnDigest(image, join(place.path, 'own', hook))}`,
      );
    }
    await cp(join(import.meta.dirname, '../../examples/usgs-earthquakes'), place.path, { recursive: true });
    await writeFile(join(place.path, 'records.ndjson'), prepare().records);
    await writeFile(join(place.path, 'osad.yaml'), 'runner: podman\n');
    const daemon = await startDaemon(place.path, '--config', 'osad.yaml');
    try {
      await osaJson(place.path, ['deploy', 'convention.container.yaml', ...releases]);
      await osaJson(place.path, ['ingest', 'usgs-earthquakes', 'records.ndjson']);
      const answer = await osaJson(place.path, ['replay', '--sample', '200']);
      expect(answer).toMatchObject({ status: 'done', results: 200, identical: 200, not_identical: [] });
      const { items } = (await osaJson(place.path, [
        ...['replays', 'show', String(answer.id), '--certificates', '--limit', '1'],
      ])) as { items: object[] };
      expect(items).toMatchObject([{ engine: 'podman', verdict: 'identical' }]);
      await podman('rmi', '--force', ...names);
      const { exitCode, stdout } = await osa(place.path, [
        'replay',
        'felt_radius',
        '--sample',
        '5',
        '--json',
      ]);
      expect(exitCode).toBe(8);
      expect(JSON.parse(stdout)).toMatchObject({
        ...{ identical: 0, differs: 0, cannot: 5 },
        not_identical: [{ verdict: 'cannot', reason: expect.stringContaining(prefix) }, {}, {}, {}, {}],
      });
    } finally {
      await daemon.end('SIGTERM');
      await removeEmbedded(join(place.path, '.osa'));
      await place.dispose();
    }
  }, 300_000);
});
