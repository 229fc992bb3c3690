import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: {
  readonly type: 'minor' | 'major';
  readonly flavor?: 'last-resort';
  readonly execution: 'sync' | 'async';
}) => unknown;

/** Bytes of buffers after which those that nobody refers to any more are collected. */
const mostBytes = 4 * 2 ** 20;
/** Bytes of uploads after which memory is given back. */
const mostUploaded = 8 * 2 ** 20;
let collect: Collect | undefined;
let bytes = 0;
let uploads = 0;
let uploaded = 0;

/**
 * Counts a buffer that was made for one piece of a stream. To V8 a buffer is a few words: it lets 32 MiB of them lie before
 * it looks at the young objects, and on a busy machine twice that. A look takes a millisecond.
 */
export function streamed(buffer: Uint8Array): void {
  bytes += buffer.length;
  if (bytes < mostBytes) return;
  bytes = 0;
  collect ??= collector();
  collect({ type: 'minor', execution: 'sync' });
}

/**
 * Counts an upload, and then calls the function that comes back with its bytes. Uploads leave V8 with up to 64 MiB for young
 * objects, which a daemon without work would keep for days. They are given back after the last upload that is under way,
 * which takes some 50 ms.
 */
export function uploadBegun(): (size: number) => void {
  uploads += 1;
  return (size) => {
    uploads -= 1;
    uploaded += size;
    if (uploads > 0 || uploaded < mostUploaded) return;
    uploaded = 0;
    collect ??= collector();
    void collect({ type: 'major', flavor: 'last-resort', execution: 'async' });
  };
}

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
