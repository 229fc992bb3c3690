import { read } from 'node:fs';
import { promisify } from 'node:util';
import type { IncomingRecord, Pinned } from './ingestions.ts';
import { readRecords } from './ndjson.ts';

/** An upload to read: its open file, which a thread shares with the process. */
export interface RecordsTask {
  readonly fd: number;
  readonly pinned: Pinned;
}

/** Records that go from thread to thread at once. */
const chunkRecords = 500;
const chunkCharacters = 256 * 1024;

/** The records of an upload, some at a time; what the thread does for `recordsInThread`. */
export async function* recordChunks({ fd, pinned }: RecordsTask): AsyncGenerator<IncomingRecord[]> {
  let chunk: IncomingRecord[] = [];
  let characters = 0;
  for await (const record of readRecords(contentOf(fd), pinned)) {
    chunk.push(record);
    characters += record.metadata.length;
    if (chunk.length < chunkRecords && characters < chunkCharacters) continue;
    yield chunk;
    chunk = [];
    characters = 0;
  }
  if (chunk.length > 0) yield chunk;
}

const readAt = promisify(read);
const readBytes = 64 * 1024;

/** The file from its start. A stream would close the descriptor where its reader stops early, and the process owns it. */
async function* contentOf(fd: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const { buffer, bytesRead } = await readAt(fd, Buffer.allocUnsafe(readBytes), 0, readBytes, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
