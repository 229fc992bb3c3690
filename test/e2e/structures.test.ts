import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonConfig } from '@osa/daemon/config/config';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { buildNode } from '../../examples/usgs-earthquakes/images.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { podman } from '../support/containers/images.ts';
import { everything, testDaemon } from '../support/daemon-support.ts';
import { type CliWorld, createCliWorld } from '../support/fixtures/cli-world.ts';
import { fakeCredentials, fakeS3 } from '../support/s3/fake.ts';

/** The example whose records have files: the same rows wherever its hooks run, and wherever the bytes are. */

vi.setConfig({ testTimeout: 120_000 });

const example = join(import.meta.dirname, '../../examples/structures');
const environment = { PATH: process.env.PATH };
let world: CliWorld;
beforeAll(async () => {
  world = await createCliWorld();
  await cp(example, world.cwd, { recursive: true });
});
afterAll(() => world[Symbol.asyncDispose]());

const reasons = {
  'doubled-atom': expect.stringMatching(/^atoms A\/1\/CB and A\/1\/CB are 0\.004 Å apart/),
  'cut-short': expect.stringMatching(/^model\.cif: atom 9 has no position/),
};

interface Tried {
  readonly records: readonly {
    readonly id: string;
    readonly status: string;
    readonly reason: string | null;
  }[];
  readonly rows: readonly { readonly id: string; readonly values: Readonly<Record<string, unknown>> }[];
  readonly invalid: readonly { readonly id: string; readonly reason: string }[];
}

async function tried(hook: string, ...more: string[]): Promise<Tried> {
  const { stdout } = await world.osa(
    ['hooks', 'test', hook, '--records', 'records.ndjson', '--json', ...more],
    {
      environment,
    },
  );
  return JSON.parse(stdout);
}

test('osa hooks test gives the hooks their files: rows a chain, and reasons that a person understands', async () => {
  const chains = await tried('chains', '--files', 'files');
  expect(chains.rows.map(({ id, values }) => [id, ...Object.values(values)])).toEqual([
    ['doubled-atom', 'A', 2, 10, 146.144],
    ['in-water', 'A', 4, 22, 332.352],
    ['trialanine', 'A', 3, 15, 231.249],
    ['two-peptides', 'A', 2, 10, 162.143],
    ['two-peptides', 'B', 3, 16, 245.275],
  ]);
  const checked = await tried('model_check', '--files', 'files');
  const rejected = checked.records.filter(({ status }) => status === 'rejected');
  expect(Object.fromEntries(rejected.map(({ id, reason }) => [id, reason]))).toEqual(reasons);
});

test('osa hooks test holds the rules for files: none, too many, or of another type is invalid', async () => {
  const files = join(world.cwd, 'odd');
  await mkdir(join(files, 'trialanine'), { recursive: true });
  await mkdir(join(files, 'in-water'));
  await writeFile(join(files, 'trialanine', 'model.pdb'), 'x');
  for (const name of ['a.cif', 'b.cif']) await writeFile(join(files, 'in-water', name), 'data_x');
  const { invalid } = await tried('chains', '--files', 'odd');
  expect(Object.fromEntries(invalid.map(({ id, reason }) => [id, reason]))).toMatchObject({
    trialanine: expect.stringContaining('the convention takes .cif'),
    'in-water': expect.stringContaining('the convention takes 1 at most'),
    'two-peptides': expect.stringContaining('files'),
  });
});

test('a hook of osa hooks test cannot change the files that it is given', async () => {
  const place = join(world.cwd, 'hostile');
  await mkdir(place);
  await writeFile(
    join(place, 'chains.mjs'),
    "import { chmodSync, writeFileSync } from 'node:fs';\n" +
      "const file = process.env.OSA_FILES + '/trialanine/model.cif';\n" +
      "try { chmodSync(file, 0o644); writeFileSync(file, 'gone'); } catch {}\n",
  );
  await tried('chains', '--files', 'files', '--directory', 'hostile');
  expect(await readFile(join(world.cwd, 'files/trialanine/model.cif'), 'utf8')).toContain('data_trialanine');
});

/** Deploys and ingests the example on a daemon of its own; each row as text, by hook and source. */
async function rowsOf(changes: Partial<DaemonConfig>, deploy: readonly string[] = []): Promise<string[]> {
  const daemon = await testDaemon({ environment, ...changes });
  try {
    const token = (await daemon.bearer(everything, { lifetimeSeconds: 600 })).replace('Bearer ', '');
    const osa = (...argv: string[]) =>
      world.osa(argv, { environment: { ...environment, OSA_SERVER: daemon.url, OSA_TOKEN: token } });
    const deployed = await osa('deploy', ...deploy);
    expect(deployed.code, deployed.stderr).toBe(0);
    const { stdout } = await osa('ingest', 'structures', 'records.ndjson', '--files', 'files', '--json');
    expect(JSON.parse(stdout), stdout).toMatchObject({ published: 3, rejected: 2, errored: 0 });
    const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
    const rows: string[] = [];
    for (const hook of ['chains', 'model_check']) {
      const found = await sql<{ row: string }[]>`
        select b.source_id || ' ' || (to_jsonb(f) - 'id' - 'outcome_id' - 'run_id')::text as row
        from ${sql(`features.${hook}`)} f
        join outcomes o on o.id = f.outcome_id join batch_records b on b.id = o.batch_record
        where b.status = 'published' order by b.source_id collate "C", f.ordinal`;
      rows.push(...found.map(({ row }) => row));
    }
    return rows;
  } finally {
    await daemon.close();
  }
}

test('the same rows come from files on this machine and from an S3 store, byte for byte', async () => {
  const here = await rowsOf({});
  expect(here).toHaveLength(4 + 3);
  const fake = await fakeS3();
  try {
    const storage = { target: fake.target, credentials: fakeCredentials, cacheBytes: 2 ** 20 };
    const there = await rowsOf({ storage });
    expect(fake.objects.size).toBe(1 + 5);
    expect(there.join('\n')).toBe(here.join('\n'));
  } finally {
    await fake.close();
  }
});

const prefix = `localhost/osa-structures-${process.pid}`;

describeContainers('the example with files in containers', () => {
  afterAll(async () => {
    await podman(
      'rmi',
      '--force',
      ...['chains', 'model_check', 'node'].map((name) => `${prefix}/${name}:latest`),
    );
  });

  test('gives the same rows as its processes, byte for byte', async () => {
    await buildNode('podman', `${prefix}/node:latest`);
    const releases: string[] = [];
    for (const [hook, file] of [
      ['chains', 'chains.mjs'],
      ['model_check', 'check.mjs'],
    ] as const) {
      const tag = `${prefix}/${hook}:latest`;
      const given = ['--build-arg', `BASE=${prefix}/node:latest`, '--build-arg', `FILE=${file}`];
      const from = [
        '--file',
        join(example, 'hooks/Containerfile'),
        '--tag',
        tag,
        join(example, 'hooks/structures'),
      ];
      await execa('podman', ['build', '--quiet', ...given, ...from]);
      const { stdout } = await execa('podman', ['image', 'inspect', '--format', '{{.Digest}}', tag]);
      releases.push('--release', `${hook}=${prefix}/${hook}@${stdout.trim()}`);
    }
    const text = await readFile(join(example, 'convention.yaml'), 'utf8');
    const file = join(world.cwd, 'convention.container.yaml');
    await writeFile(file, text.replaceAll(/^ +release: .*\n/gm, ''));
    const inProcesses = await rowsOf({});
    const inContainers = await rowsOf({ runner: 'podman' }, [file, ...releases]);
    await rm(file);
    expect(inContainers.join('\n')).toBe(inProcesses.join('\n'));
  });
});
