import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pinned } from '@osa/core/ingestion/ingestions';
import { recordsInThread } from '@osa/core/ingestion/record-thread';
import { outputThreads } from '@osa/core/run/output/threads';
import { expect, onTestFinished, test } from 'vitest';

/** A daemon keeps its threads, so what one has taken for a large upload stays taken. */

const records = 60_000;
const mostHeapBytes = 48 * 2 ** 20;

const field = { required: true, cardinality: 'exactly_one' } as const;
const pinned: Pinned = {
  convention: 'tests',
  schema: { id: 'tests', version: '1.0.0' },
  fields: [
    { ...field, name: 'count', type: 'number' },
    { ...field, name: 'text', type: 'text' },
  ],
  files: { accepted_types: [], min_count: 0, max_count: 0, max_file_size: 0 },
  openText: true,
};

test('a thread takes little memory for a large upload', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'osa-thread-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, 'upload.ndjson');
  const line = (n: number) =>
    JSON.stringify({ source_id: `r${n}`, metadata: { count: n, text: 'abcdefghij'.repeat(60) } });
  await writeFile(path, `${Array.from({ length: records }, (_, n) => line(n)).join('\n')}\n`);
  await using file = await open(path);
  await using threads = outputThreads({ idle: 1 });
  let read = 0;
  for await (const _record of recordsInThread(threads, { fd: file.fd, pinned })) read += 1;
  expect(read).toBe(records);
  const thread = threads.take();
  const { total_heap_size } = await thread.getHeapStatistics();
  threads.giveBack(thread);
  expect(total_heap_size).toBeLessThan(mostHeapBytes);
});
