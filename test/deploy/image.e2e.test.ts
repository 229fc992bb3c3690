import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { ulimits } from '@osa/core/runners/container/run-options';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildNode } from '../../examples/usgs-earthquakes/images.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { podman } from '../support/containers/images.ts';
import { scratch, until } from '../support/database/database.ts';
import { type EmptyDatabase, emptyDatabase } from '../support/database/empty-database.ts';
import { osa } from '../support/programs.ts';

/** deploy/Containerfile on a base of this node and its libraries, beside the tests' PostgreSQL. */

const image = `localhost/osa-test-osad-${process.pid}`;
const base = `localhost/osa-test-node-${process.pid}`;
const root = join(import.meta.dirname, '../..');
/** The user of the image. */
const user = 10_001;

describeContainers('the image of osad', () => {
  let database: EmptyDatabase;
  let place: Awaited<ReturnType<typeof scratch>>;
  /** The server may listen on a socket that the user of the image cannot reach. */
  let relay: Server;
  const started: string[] = [];

  beforeAll(async () => {
    await buildNode('podman', base);
    const file = join(root, 'deploy/Containerfile');
    const context = join(root, 'packages/daemon/dist');
    const options = ['--quiet', '--format', 'docker', '--build-arg', `BASE=${base}`];
    await podman('build', ...options, '--file', file, '--tag', image, context);
    place = await scratch();
    database = await emptyDatabase();
    await database.role('app');
    relay = await relayTo(database.url());
  }, 120_000);
  afterAll(async () => {
    if (started.length > 0) await podman('rm', '--force', '--volumes', ...started);
    await podman('rmi', '--force', image, base);
    relay?.close();
    await database?.close();
    await place?.dispose();
  });

  /** A file that only the user of the image may read. */
  async function secret(name: string, text: string): Promise<string> {
    const path = join(place.path, name);
    await writeFile(path, text, { mode: 0o400 });
    await chown(path, user, user);
    return path;
  }

  /** Options of `podman run`: confined, with a read-only root, and the URL of the database in a file. */
  async function confined(settings: Readonly<Record<string, string>>, url: string): Promise<string[]> {
    const file = await secret(`url-${crypto.randomUUID()}`, `${through(relay, url)}\n`);
    const variables = Object.entries(settings).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    return [
      ...[
        '--read-only',
        '--tmpfs',
        '/tmp',
        '--cap-drop',
        'all',
        '--security-opt',
        'no-new-privileges',
        ...ulimits,
      ],
      ...['--network', 'host', '--volume', `${file}:/run/secrets/url:ro`],
      ...variables,
    ];
  }

  const migrate = async () => {
    const settings = { OSA_OWNER_DATABASE_URL_FILE: '/run/secrets/url', OSA_APP_ROLE: database.appRole };
    return podman('run', '--rm', ...(await confined(settings, database.url())), image, 'migrate');
  };

  test('migrates, serves as an ordinary user with a read-only root, and says why a hook waits', async () => {
    expect(await migrate()).toContain('applied 0001_initial');
    expect(await migrate()).toContain('nothing to apply');
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const jwk = (key: KeyObject) => JSON.stringify(key.export({ format: 'jwk' }));
    const port = await freePort();
    const settings = {
      OSA_DATABASE_URL_FILE: '/run/secrets/url',
      OSA_DOMAIN: 'archive.example.org',
      OSA_HOST: '127.0.0.1',
      OSA_PORT: String(port),
      OSA_ISSUER: 'osa-cli',
      OSA_PUBLIC_KEY: jwk(publicKey),
    };
    const options = await confined(settings, database.url(database.appRole));
    const id = await podman('run', '--detach', ...options, image);
    started.push(id);
    await until('the health check of the image', async () => {
      const { exitCode } = await execa('podman', ['healthcheck', 'run', id], { reject: false });
      if (exitCode !== 0)
        expect(await podman('inspect', id, '--format', '{{.State.Status}}')).toBe('running');
      return exitCode === 0 ? true : undefined;
    });
    expect(await podman('exec', id, 'node', '-p', 'process.getuid()')).toBe(String(user));

    const project = join(place.path, 'project');
    await mkdir(project);
    await writeFile(join(project, 'key.jwk'), jwk(privateKey), { mode: 0o600 });
    await writeFile(join(project, 'convention.yaml'), convention);
    await writeFile(join(project, 'records.ndjson'), '{"source_id":"a","metadata":{"value":1}}\n');
    const environment = {
      OSA_SERVER: `http://127.0.0.1:${port}`,
      OSA_AUDIENCE: 'https://archive.example.org',
      OSA_KEY_FILE: join(project, 'key.jwk'),
    };
    const run = (...args: string[]) => osa(project, args, environment);
    expect(await run('deploy')).toMatchObject({ exitCode: 0 });
    // The record is stored; no worker runs, which the status says.
    expect(await run('ingest', 'tests', 'records.ndjson', '--timeout', '2s')).toMatchObject({ exitCode: 7 });
    const status = await run('status', '--json');
    expect(status).toMatchObject({ exitCode: 1 });
    expect(status.stdout).toContain('no_worker');

    await podman('stop', '--time', '15', id);
    expect(await podman('inspect', id, '--format', '{{.State.ExitCode}}')).toBe('0');
  }, 120_000);

  test('says which secret is missing', async () => {
    const settings = { OSA_DOMAIN: 'archive.example.org', OSA_DATABASE_URL_FILE: '/run/secrets/database' };
    const options = await confined(settings, database.url());
    const { exitCode, stderr } = await execa('podman', ['run', '--rm', ...options, image], { reject: false });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 2 });
    expect(stderr).toMatch(/OSA_DATABASE_URL_FILE: cannot read \/run\/secrets\/database/);
  });

  test('as a worker it says that it lacks an engine', async () => {
    const settings = {
      OSA_DOMAIN: 'archive.example.org',
      OSA_DATABASE_URL_FILE: '/run/secrets/url',
      OSA_RUNNER: 'podman',
    };
    const options = await confined(settings, database.url(database.appRole));
    const ended = await execa('podman', ['run', '--rm', ...options, image, '--worker-only'], {
      reject: false,
      timeout: 20_000,
    });
    expect(ended.stderr).toMatch(/podman/);
    expect(ended.exitCode).not.toBe(0);
  });
});

const convention = `slug: tests
title: Tests
description: Records for a test
schema:
  id: test-record
  version: 1.0.0
  fields:
    - name: value
      type: number
      required: true
hooks:
  - name: probe
    feature:
      cardinality: one
      columns:
        - name: value
          json_type: number
          required: true
    release:
      image: registry.example.org/probe@sha256:${'a'.repeat(64)}
      source_ref: git+https://example.org/repo@1
`;

/** A listener on loopback that passes on to the server of a URL, which may be a unix socket. */
async function relayTo(url: string): Promise<Server> {
  const { hostname, port, searchParams } = new URL(url);
  const directory = searchParams.get('host');
  const number = Number(searchParams.get('port') ?? (port || 5432));
  const target = directory
    ? { path: join(directory, `.s.PGSQL.${number}`) }
    : { host: hostname, port: number };
  const server = createServer((client) => {
    const upstream = connect(target);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

function through(server: Server, url: string): string {
  const changed = new URL(url);
  changed.search = '';
  changed.host = `127.0.0.1:${portOf(server)}`;
  return changed.href;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const port = portOf(server);
  await new Promise((done) => server.close(done));
  return port;
}
