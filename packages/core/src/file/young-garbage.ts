import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'minor' }) => void;

/** Bytes of buffers after which those that nobody refers to any more are collected. */
const mostBytes = 4 * 2 ** 20;
let collect: Collect | undefined;
let bytes = 0;

/**
 * Counts a buffer that was made for one piece of a stream. To V8 a buffer is a few words: it lets 32 MiB of them lie before
 * it looks at the young objects, and on a busy machine twice that. A look takes a millisecond.
 */
export function streamed(buffer: Uint8Array): void {
  bytes += buffer.length;
  if (bytes < mostBytes) return;
  bytes = 0;
  collect ??= collector();
  collect({ type: 'minor' });
}

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
