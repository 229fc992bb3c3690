import { createReadStream } from 'node:fs';
import type { IncomingRecord, Pinned } from './ingestions.ts';
import { readRecords } from './ndjson.ts';

/** An upload to read: its open file, which a thread shares with the process. */
export interface RecordsTask {
  readonly fd: number;
  readonly pinned: Pinned;
}

/** What goes from thread to thread at once. */
const chunkRecords = 500;
const chunkCharacters = 256 * 1024;

/** The records of an upload, some at a time; what the thread does for `recordsInThread`. */
export async function* recordChunks({ fd, pinned }: RecordsTask): AsyncGenerator<IncomingRecord[]> {
  let chunk: IncomingRecord[] = [];
  let characters = 0;
  const source = createReadStream('', { fd, start: 0, autoClose: false });
  for await (const record of readRecords(source, pinned)) {
    chunk.push(record);
    characters += record.metadata.length;
    if (chunk.length < chunkRecords && characters < chunkCharacters) continue;
    yield chunk;
    chunk = [];
    characters = 0;
  }
  if (chunk.length > 0) yield chunk;
}
