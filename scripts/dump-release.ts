// Fills an archive with the programs of this checkout and saves it for the test of upgrades: `node scripts/dump-release.ts
// VERSION` writes test/upgrade/VERSION.sql.gz, and the packed hooks beside it. Run it once, when VERSION is tagged, with built
// programs and a pg_dump that fits the server of DATABASE_URL, whose user may make databases and roles.
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { connect } from '@osa/core/postgres/connection/connect';
import { migrateDatabase } from '@osa/daemon/upkeep/migrate';
import { execa } from 'execa';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const programs = {
  osa: join(root, 'packages/cli/dist/osa.js'),
  osad: join(root, 'packages/daemon/dist/osad.js'),
};
const environment = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };

const manifest = (version: string) => `slug: stations
title: Stations
description: Readings of two stations.
schema:
  id: reading
  version: 1.0.0
  fields:
    - { name: value, type: number, required: true, unit: K, description: What was read. }
    - { name: note, type: text, required: false, description: In words. }
hooks:
  - name: doubled
    feature:
      cardinality: one
      columns: [{ name: value, json_type: number, required: true, unit: K }, { name: of, json_type: string, required: true }]
    release: { directory: ./doubled_${version}, command: [node, hook.mjs] }
  - name: digits
    feature: { cardinality: many, columns: [{ name: digit, json_type: integer, required: true }] }
    config: { base: 10 }
    release: { directory: ./digits, command: [node, hook.mjs] }
`;

const read = `import { appendFileSync, readFileSync } from 'node:fs';
const { OSA_IN, OSA_OUT } = process.env;
const records = readFileSync(OSA_IN + '/records.jsonl', 'utf8').trimEnd().split('\\n').map((line) => JSON.parse(line));
const say = (file, document) => appendFileSync(OSA_OUT + '/' + file, JSON.stringify(document) + '\\n');
const config = JSON.parse(readFileSync(OSA_IN + '/config.json', 'utf8'));
console.log('records: ' + records.length);
`;
const doubled = (factor: number) => `${read}for (const { id, metadata } of records) {
  if (metadata.value < 0) say('rejections.jsonl', { id, reason: 'below absolute zero' });
  else say('features.jsonl', { id, features: [{ value: metadata.value * ${factor}, of: metadata.note ?? 'nothing' }] });
}
`;
const digits = `${read}for (const { id, metadata } of records) {
  const text = Math.abs(metadata.value).toString(config.base).replace('.', '');
  say('features.jsonl', { id, features: [...text].map((digit) => ({ digit: Number(digit) })) });
}
`;

const [version = ''] = process.argv.slice(2);
if (!/^\d+\.\d+\.\d+(-[0-9a-z.]+)?$/.test(version)) throw new Error('give the version, such as 0.1.0');
const { DATABASE_URL: server } = process.env;
if (server === undefined)
  throw new Error('DATABASE_URL: name a server whose user may make databases and roles');
await save(version, server);

async function save(version: string, server: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-dump-'));
  const admin = connect({ url: server, max: 1, applicationName: 'osa dump' });
  const [name, role] = ['osa_dump', 'osa_dump_app'];
  const url = (user?: string) => {
    const changed = new URL(server);
    changed.pathname = `/${name}`;
    if (user !== undefined) [changed.username, changed.password] = [user, 'dump'];
    return changed.href;
  };
  try {
    await admin.sql.unsafe(`create database ${name}`);
    await migrateDatabase({ url: url(), appRole: role });
    await admin.sql.unsafe(`alter role ${role} login password 'dump'`);
    await fill(directory, url(role));
    const dump = ['--no-owner', '--no-privileges', '--rows-per-insert', '100', '--dbname', url()];
    const { stdout } = await execa('pg_dump', dump, { env: environment });
    // Commands of psql, which no other client knows.
    const sql = stdout
      .split('\n')
      .filter((line) => !line.startsWith('\\'))
      .join('\n');
    const target = join(root, 'test/upgrade');
    await mkdir(target, { recursive: true });
    await writeFile(join(target, `${version}.sql.gz`), gzipSync(sql, { level: 9 }));
    await rm(join(target, `${version}.blobs`), { recursive: true, force: true });
    const isBlob = (path: string) => !path.endsWith('/incoming');
    await cp(join(directory, '.osa/data/blobs'), join(target, `${version}.blobs`), {
      recursive: true,
      filter: isBlob,
    });
    console.log(`${version}: ${sql.length} characters of SQL`);
  } finally {
    await admin.sql.unsafe(`drop database if exists ${name} with (force)`);
    await admin.sql.unsafe(`drop role if exists ${role}`);
    await admin.close();
    await rm(directory, { recursive: true });
  }
}

/** A life in small: two releases, a correction, a rollback that heals, a failed record, and work that still waits. */
async function fill(directory: string, database: string): Promise<void> {
  for (const [name, code] of Object.entries({ doubled_1: doubled(2), doubled_2: doubled(3), digits })) {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, 'hook.mjs'), code);
  }
  const osa = async (...args: string[]) => {
    const { stdout } = await execa(process.execPath, [programs.osa, ...args], {
      cwd: directory,
      env: environment,
    });
    return stdout;
  };
  const ingest = async (name: string, lines: readonly object[], ...options: string[]) => {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeFile(join(directory, name), text);
    return osa('ingest', 'stations', name, ...options);
  };
  const daemon = await startDaemon(directory, database);
  try {
    await writeFile(join(directory, 'convention.yaml'), manifest('1'));
    await osa('deploy', 'convention.yaml');
    await ingest(
      'first.ndjson',
      [...readings(1, 9), { source_id: 'cold', metadata: { value: -1 } }],
      '--fail-on',
      'errored',
    );
    await writeFile(join(directory, 'convention.yaml'), manifest('2'));
    await osa('deploy', 'convention.yaml');
    await ingest('second.ndjson', readings(20, 3));
    await osa('hooks', 'rollback', 'doubled', '--reason', 'the factor is wrong', '--heal', '--yes');
    await osa('hooks', 'pause', 'doubled', '--reason', 'held for the dump');
    await ingest('third.ndjson', readings(30, 2), '--no-wait');
  } finally {
    daemon.kill('SIGTERM');
    await new Promise((done) => daemon.once('exit', done));
  }
}

function readings(from: number, count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({
    source_id: `s${index}`,
    metadata: { value: from + index, ...(index % 2 === 0 && { note: `reading ${index}` }) },
  }));
}

async function startDaemon(directory: string, database: string): Promise<ChildProcess> {
  const dir = join(directory, '.osa');
  const options = ['--dev', '--dir', dir, '--database', database, '--data', join(dir, 'data'), '--port', '0'];
  const daemon = spawn(process.execPath, [programs.osad, ...options], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: daemon.stdout as NodeJS.ReadableStream })) {
    if (line.startsWith('osad listens')) break;
  }
  return daemon;
}
