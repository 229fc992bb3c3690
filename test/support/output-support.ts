import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Column, FeatureContract } from '@osa/core/hook/hook';
import type { OutputReader, RowChunk, Verdict } from '@osa/core/run/output/judgement';
import { type OutputOptions, readOutput } from '@osa/core/run/output/read';
import { outputThreads } from '@osa/core/run/output/threads';
import { afterAll, afterEach, beforeEach } from 'vitest';
import { scratch } from './database/database.ts';

export const column = (name: string, json_type: Column['json_type'], part: Partial<Column> = {}): Column => ({
  name,
  json_type,
  required: false,
  ...part,
});

export const contractOf = (
  columns: Column[],
  cardinality: FeatureContract['cardinality'] = 'many',
): FeatureContract => ({ kind: 'table', cardinality, columns });

export interface OutputDirectory {
  /** The output directory of the test that runs. */
  readonly directory: () => string;
  write(name: string, content: string | Uint8Array | readonly unknown[]): Promise<void>;
  read(
    options: Pick<OutputOptions, 'contract' | 'recordIds'> & Partial<OutputOptions>,
  ): Promise<OutputReader>;
}

/** A fresh output directory for each test, and threads for the file. Lines that are no text are written as JSON. */
export function outputDirectory(): OutputDirectory {
  const threads = outputThreads({ idle: 1 });
  let place: Awaited<ReturnType<typeof scratch>>;
  beforeEach(async () => {
    place = await scratch();
  });
  afterEach(() => place.dispose());
  afterAll(() => threads[Symbol.asyncDispose]());
  return {
    directory: () => place.path,
    write: (name, content) =>
      writeFile(join(place.path, name), Array.isArray(content) ? lines(content) : bytes(content)),
    read: (options) => readOutput({ directory: place.path, hook: 'shake', threads, ...options }),
  };
}

export function verdictOf(reader: OutputReader, id: string): Verdict {
  const verdict = reader.judgement.verdicts.get(id);
  if (!verdict) throw new Error(`no verdict for ${id}`);
  return verdict;
}

/** `passed`, or the status with its reason. */
export function said(reader: OutputReader, id: string): string {
  const verdict = verdictOf(reader, id);
  return verdict.status === 'passed' ? 'passed' : `${verdict.status}: ${verdict.reason}`;
}

export async function allChunks(reader: OutputReader, rowsPerChunk = 1_000): Promise<RowChunk[]> {
  const chunks: RowChunk[] = [];
  for await (const chunk of reader.rows({ rowsPerChunk })) chunks.push(chunk);
  return chunks;
}

function lines(items: readonly unknown[]): string {
  return items.map((item) => `${typeof item === 'string' ? item : JSON.stringify(item)}\n`).join('');
}

function bytes(content: string | Uint8Array | readonly unknown[]): string | Uint8Array {
  return typeof content === 'string' || content instanceof Uint8Array ? content : '';
}
