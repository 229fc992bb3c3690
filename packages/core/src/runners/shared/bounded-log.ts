/** Keeps the first and the last bytes of a stream in constant memory, whatever its length. */
export interface BoundedLog {
  append(chunk: Uint8Array): void;
  /** The kept bytes; between the two parts a line says how many were left out. */
  bytes(): Uint8Array;
  /** The length of all that came. */
  length(): number;
}

/** Keeps `keep` bytes of the start and `keep` of the end; `heard` gets everything that comes. */
export function boundedLog(keep: number, heard?: (chunk: Uint8Array) => void): BoundedLog {
  const head = Buffer.alloc(keep);
  /** A ring: the byte at position `n` of what follows the head stands at `n % keep`. */
  const tail = Buffer.alloc(keep);
  let length = 0;

  return {
    length: () => length,
    append(chunk) {
      heard?.(chunk);
      const first = chunk.subarray(0, Math.max(0, keep - length));
      head.set(first, length < keep ? length : 0);
      const kept = chunk.subarray(Math.max(first.length, chunk.length - keep));
      length += chunk.length;
      if (kept.length === 0) return;
      const at = (length - kept.length - keep) % keep;
      const untilEnd = kept.subarray(0, keep - at);
      tail.set(untilEnd, at);
      tail.set(kept.subarray(untilEnd.length));
    },
    bytes() {
      if (length <= keep) return head.subarray(0, length);
      const after = length - keep;
      if (after <= keep) return Buffer.concat([head, tail.subarray(0, after)]);
      const at = after % keep;
      const marker = Buffer.from(`\n[osa: ${after - keep} bytes left out]\n`);
      return Buffer.concat([head, marker, tail.subarray(at), tail.subarray(0, at)]);
    },
  };
}
