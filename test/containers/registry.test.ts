import { readdir } from 'node:fs/promises';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:net';
import { arch } from 'node:os';
import { sha256 } from '@osa/core/hook/release';
import { executeNext } from '@osa/core/run/execute';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  type ContainerBench,
  describeContainers,
  suiteBench,
} from '../support/containers/container-support.ts';
import { podmanRunner } from '../support/containers/images.ts';
import { coreArchive, record } from '../support/core-archive.ts';
import { scratch } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

const zero = `sha256:${'0'.repeat(64)}`;

let containers: ContainerBench;
describeContainers('an image in a registry that', () => {
  suiteBench((made) => {
    containers = made;
  });

  /** Listens until the end of the test; the answer is the name of an image there. */
  async function listen(server: Server): Promise<string> {
    onTestFinished(() => void server.close());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    return typeof address === 'object' ? `127.0.0.1:${address?.port}/a/hook` : '';
  }
  const silent = () => createServer((socket) => socket.on('error', () => undefined));

  test('image-09: hangs may be there later, and the pull ends in its time', async () => {
    const image = await listen(silent());
    const runner = podmanRunner(1_000);
    await expect(containers.run({ image, digest: zero }, { runner })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  test('image-09: hangs longer than a lease is waited for, and then the batch is given back', async () => {
    const bench = await coreArchive({ runners: [podmanRunner(4_000)] });
    onTestFinished(() => bench.dispose());
    await bench.deploy({ waiting: { image: { image: await listen(silent()), digest: zero } } });
    await bench.ingest([record('a', 1)]);
    const execution = { ...bench.execution, worker: { name: 'bench', leaseMs: 3_000 } };
    expect(await executeNext(execution, new AbortController().signal)).toBe(true);
    expect(await bench.database.sql`select status, lease_until, fence::int, lost from batches`).toEqual([
      { status: 'queued', lease_until: null, fence: 1, lost: 0 },
    ]);
    expect(await bench.database.sql`select ending, detail from attempts`).toEqual([
      { ending: 'not_started', detail: expect.stringContaining('did not end within 4 s') },
    ]);
  });

  test('image-08: has a layer of twenty gibibytes is waited for as long as a pull may take, and leaves nothing', async () => {
    const large = vast();
    const image = { image: await listen(large.server), digest: large.digest };
    const place = await scratch();
    onTestFinished(() => place.dispose());
    const runner = podmanRunner(2_000, { TMPDIR: place.path });
    const started = Date.now();
    await expect(containers.run(image, { runner })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('did not end within 2 s'),
    });
    expect(Date.now() - started).toBeLessThan(15_000);
    expect(large.layersAsked()).toBe(1);
    // It is neither where podman keeps images otherwise, nor in the workspace.
    expect([await readdir(place.path), await readdir(containers.workspace)]).toEqual([[], []]);
  });

  test('hangs does not delay a worker that must stop', async () => {
    const image = await listen(silent());
    const reason = new Error('stop');
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 300);
    await expect(containers.run({ image, digest: zero }, { signal: abort.signal })).rejects.toBe(reason);
  });

  test('wants a login is one without the right to pull', async () => {
    const image = await listen(
      createHttpServer((_request, response) => {
        response.writeHead(401, {
          'www-authenticate': 'Basic realm="test"',
          'content-type': 'application/json',
        });
        response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
      }),
    );
    await expect(containers.run({ image, digest: zero })).rejects.toMatchObject({ code: 'access_denied' });
  });

  test('fails may answer later', async () => {
    const server = createHttpServer((_request, response) => {
      response.writeHead(404, { connection: 'close' });
      response.end();
      server.close();
    });
    const image = await listen(server);
    const runner = podmanRunner(3_000);
    await expect(containers.run({ image, digest: zero }, { runner })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});

/** A registry with one image, whose one layer never ends: it comes slowly, so that no disk is filled by the test. */
function vast() {
  const json = (value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value));
    return { bytes, digest: `sha256:${sha256(bytes)}` };
  };
  const layers = [
    { mediaType: `${oci}.layer.v1.tar`, digest: `sha256:${'1'.repeat(64)}`, size: 20 * 2 ** 30 },
  ];
  const architecture = { x64: 'amd64' }[arch() as string] ?? arch();
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const config = json({ architecture, os: 'linux', config: { Entrypoint: ['/hook'] }, rootfs });
  const described = { mediaType: `${oci}.config.v1+json`, digest: config.digest, size: config.bytes.length };
  const mediaType = `${oci}.manifest.v1+json`;
  const manifest = json({ schemaVersion: 2, mediaType, config: described, layers });
  let asked = 0;
  const server = createHttpServer(({ url = '' }, response) => {
    if (url.endsWith(manifest.digest))
      response.writeHead(200, { 'content-type': mediaType }).end(manifest.bytes);
    else if (url.endsWith(config.digest)) response.end(config.bytes);
    else if (url.includes('/blobs/')) {
      asked += 1;
      trickle(response, 20 * 2 ** 30);
    } else response.end('{}');
  });
  return { server, digest: manifest.digest, layersAsked: () => asked };
}

const oci = 'application/vnd.oci.image';

function trickle(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-length': bytes });
  const timer = setInterval(() => response.write(Buffer.alloc(65_536)), 20);
  response.on('close', () => clearInterval(timer));
}
