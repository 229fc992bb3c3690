import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setInterval as ticks } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Daemon, startDaemonWith, startOsa } from '../support/programs.ts';
import { fakeCredentials, fakeS3 } from '../support/s3/fake.ts';

/** A file that is far larger than the memory that the programs may take for it: up, and down again. */

const mebibytes = 256;
/** Mebibytes of memory that a program may take beyond what it takes anyway. */
const mostGrowth = 32;

const convention = `slug: large
title: Large files
description: One large file a record.
schema:
  id: large
  version: 1.0.0
  fields:
    - { name: value, type: number, required: true }
files: { accepted_types: [], min_count: 1, max_count: 1, max_file_size: 1000000000 }
hooks: []
`;

/** The kernel's counts; `VmHWM` is the most that there ever was. */
function memoryOf(pid: number | undefined, what: 'VmRSS' | 'VmHWM'): number {
  const path = `/proc/${pid}/status`;
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const [, kibibytes] = new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(text) ?? [];
  return Math.round(Number(kibibytes ?? 0) / 1024);
}

/** Runs the CLI; the answer is the most memory that it took. */
async function peakOf(directory: string, ...args: string[]): Promise<number> {
  const running = startOsa(directory, args);
  const { signal, abort } = stoppable();
  let peak = 0;
  const watching = (async () => {
    for await (const _ of ticks(10, undefined, { signal })) {
      peak = Math.max(peak, memoryOf(running.pid, 'VmHWM'));
    }
  })().catch(() => undefined);
  const { exitCode, stderr } = await running;
  abort();
  await watching;
  expect(exitCode, stderr).toBe(0);
  return peak;
}

function stoppable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

/** Writes a file of random bytes, and gives its digest. */
async function writeLarge(path: string): Promise<string> {
  const hash = createHash('sha256');
  await mkdir(dirname(path), { recursive: true });
  await using file = await open(path, 'w');
  for (let written = 0; written < mebibytes; written += 8) {
    const piece = randomBytes(8 * 2 ** 20);
    hash.update(piece);
    await file.write(piece);
  }
  return hash.digest('hex');
}

async function jsonOf<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

async function downloaded(daemon: Daemon): Promise<{ sha256: string; name: string }[]> {
  const { rows } = await jsonOf<{ rows: { id: string }[] }>(`${daemon.url}/api/v1/data/large/records`);
  const found: { sha256: string; name: string }[] = [];
  for (const { id } of rows) {
    const place = `${daemon.url}/api/v1/data/records/${id}/files`;
    const { items } = await jsonOf<{ items: { name: string }[] }>(place);
    for (const { name } of items) {
      const hash = createHash('sha256');
      const { body } = await fetch(`${place}/${name}`);
      for await (const piece of body ?? []) hash.update(piece);
      found.push({ name, sha256: hash.digest('hex') });
    }
  }
  return found;
}

async function goesUpAndDown(settings: Readonly<Record<string, string>>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-large-'));
  let daemon: Daemon | undefined;
  try {
    daemon = await startDaemonWith(settings, directory);
    const { pid } = daemon.process;
    await writeFile(join(directory, 'convention.yaml'), convention);
    await peakOf(directory, 'deploy');
    for (const name of ['small', 'large']) {
      await writeFile(
        join(directory, `${name}.ndjson`),
        `${JSON.stringify({ source_id: name, metadata: { value: 1 } })}\n`,
      );
    }
    await mkdir(join(directory, 'one/small'), { recursive: true });
    await writeFile(join(directory, 'one/small/a.bin'), 'a');
    const sha256 = await writeLarge(join(directory, 'two/large/b.bin'));
    const usual = await peakOf(directory, 'ingest', 'large', 'small.ndjson', '--files', 'one');
    const idle = memoryOf(pid, 'VmRSS');
    await writeFile(`/proc/${pid}/clear_refs`, '5');
    const peak = await peakOf(directory, 'ingest', 'large', 'large.ndjson', '--files', 'two');
    const sent = memoryOf(pid, 'VmHWM');
    const files = await downloaded(daemon);
    expect(files).toContainEqual({ name: 'b.bin', sha256 });
    const growth = { osa: peak - usual, up: sent - idle, down: memoryOf(pid, 'VmHWM') - idle };
    for (const [of, mebibytes] of Object.entries(growth)) {
      expect(mebibytes, `${of} of ${JSON.stringify(growth)}`).toBeLessThan(mostGrowth);
    }
  } finally {
    await daemon?.end('SIGTERM');
    await rm(directory, { recursive: true });
  }
}

describe.skipIf(process.platform !== 'linux')('the memory for a large file is bounded', () => {
  test('with files on this machine', () => goesUpAndDown({}), 120_000);

  test('with an S3 store', async () => {
    const fake = await fakeS3();
    try {
      const { url, region } = fake.target;
      await goesUpAndDown({
        OSA_STORAGE: `s3://archive/osa?endpoint=${url.origin}&region=${region}`,
        OSA_S3_ACCESS_KEY_ID: fakeCredentials.accessKeyId,
        OSA_S3_SECRET_ACCESS_KEY: fakeCredentials.secretAccessKey,
      });
    } finally {
      await fake.close();
    }
  }, 180_000);
});
