import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner, Task } from '@osa/core/run/runner';

/** Answers each record with its value, and rejects negative ones, without a process. */
export const answering: Runner = {
  name: 'answering',
  runtimes: ['directory'],
  sweep: async () => 0,
  async run({ records, release }: Task) {
    const outputDirectory = await mkdtemp(join(tmpdir(), 'osa-answering-'));
    const values = records.map(({ id, metadata }) => ({ id, value: Number(JSON.parse(metadata).value) }));
    const write = (name: string, lines: readonly object[]) =>
      writeFile(join(outputDirectory, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const passed = values.filter(({ value }) => value >= 0);
    const others = values.filter(({ value }) => value < 0);
    await write(
      'features.jsonl',
      passed.map(({ id, value }) => ({ id, features: [{ value }] })),
    );
    await write(
      'rejections.jsonl',
      others.map(({ id }) => ({ id, reason: 'negative' })),
    );
    return {
      ...{ ending: 'exited', exitCode: 0, exitSignal: null, resolvedDigest: release.digest, outputDirectory },
      ...{ log: new Uint8Array(), logBytes: 0 },
      dispose: () => rm(outputDirectory, { recursive: true }),
    };
  },
};
