import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packZip } from '@osa/cli/commands/data/export/zip';
import { expect, test } from 'vitest';

test('packing an export says how much of it is written', async () => {
  const place = await mkdtemp(join(tmpdir(), 'osa-zip-'));
  try {
    const [directory, target] = [join(place, 'x.part'), join(place, 'x.zip')];
    await mkdir(directory);
    await writeFile(join(directory, 'a.parquet'), Buffer.alloc(2_000_000, 'x'));
    const told: number[] = [];
    await packZip({
      ...{ directory, target, paths: ['a.parquet'], at: new Date(0) },
      signal: new AbortController().signal,
      onWritten: (bytes) => told.push(bytes),
    });
    expect(told.length).toBeGreaterThan(10);
    expect(told.at(-1)).toBe((await stat(target)).size);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
});
