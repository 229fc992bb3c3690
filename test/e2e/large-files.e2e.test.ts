import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { scratch } from '../support/database/database.ts';
import { signedHttp } from '../support/http.ts';
import { type Daemon, osaJson, startDaemon } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';
import { editConvention } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 120_000 });

/** A table as a file takes little memory of the daemon, and not the more the longer it is. */

const [records, rowsOfEach] = [1_000, 150];
const mostMiB = 100;
const code = `import { readFileSync, writeFileSync } from 'node:fs';
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean);
const features = (id) => Array.from({ length: ${rowsOfEach} }, (_, n) => ({ value: Math.random(), text: id + n }));
const answer = (line) => JSON.stringify({ id: JSON.parse(line).id, features: features(JSON.parse(line).id) });
writeFileSync(process.env.OSA_OUT + '/features.jsonl', lines.map((line) => answer(line) + '\\n').join(''));
`;

let scene: Awaited<ReturnType<typeof scratch>>;
let daemon: Daemon;
/** The daemon's memory when it has done nothing. */
let idle: number;
beforeAll(async () => {
  scene = await scratch();
  const place = scene.path;
  await writeProject(place, { code, slug: 'wide', hook: 'spread' });
  const columns =
    'columns: [{ name: value, json_type: number, required: true }, { name: text, json_type: string }]';
  await editConvention(place, /cardinality: one\s+columns: .*/, `cardinality: many\n      ${columns}`);
  const values = Array.from({ length: records }, (_, n) => [`r${n}`, n] as const);
  await writeRecords(join(place, 'records.ndjson'), values);
  const first = await startDaemon(place);
  await osaJson(place, ['deploy']);
  const sent = await osaJson(place, ['ingest', 'wide', 'records.ndjson']);
  expect(sent).toMatchObject({ published: records, rows: records * rowsOfEach });
  await first.end('SIGTERM');
  daemon = await startDaemon(place);
  if (process.platform === 'linux') idle = await memory('VmRSS');
}, 120_000);
afterAll(async () => {
  await daemon.end('SIGTERM');
  await removeEmbedded(join(scene.path, '.osa'));
  await scene.dispose();
});

/** MiB of the daemon's process: what it has, or the most that it has had. */
async function memory(of: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${daemon.process.pid}/status`, 'utf8');
  return Number(new RegExp(`^${of}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
}

/** Linux then counts the most from now on. */
const forgetMost = () => writeFile(`/proc/${daemon.process.pid}/clear_refs`, '5');

test.skipIf(process.platform !== 'linux').each(['csv', 'parquet'])(
  'one as %s, with all its rows',
  async (format) => {
    const headers = { authorization: await (await signedHttp(daemon.url, scene.path)).bearer() };
    await forgetMost();
    const { statusCode, body } = await request(`${daemon.url}/api/v1/data/number-record/spread.${format}`, {
      headers,
    });
    expect(statusCode).toBe(200);
    let [bytes, lines] = [0, 0];
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      for (const byte of chunk) if (byte === 10) lines += 1;
    }
    if (format === 'csv') expect(lines).toBe(1 + records * rowsOfEach);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect((await memory('VmHWM')) - idle).toBeLessThan(mostMiB);
  },
);
