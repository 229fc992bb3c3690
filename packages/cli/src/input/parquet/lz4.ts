/**
 * Unpacks a block of LZ4, which Parquet calls LZ4_RAW: runs of literal bytes, each followed by a copy of bytes that are
 * there already. The format is lz4_Block_format.md of github.com/lz4/lz4.
 *
 * @throws RangeError for a damaged block
 */
export function unpackLz4(block: Uint8Array, size: number): Uint8Array {
  const unpacked = new Uint8Array(size);
  const place = { from: 0, to: 0 };
  while (place.from < block.length) {
    const token = byteAt(block, place);
    const literals = lengthOf(token >> 4, block, place);
    unpacked.set(partOf(block, place.from, literals), place.to);
    place.from += literals;
    place.to += literals;
    // The last run has no copy.
    if (place.from === block.length) break;
    const offset = byteAt(block, place) | (byteAt(block, place) << 8);
    const end = place.to + 4 + lengthOf(token & 15, block, place);
    if (offset === 0 || offset > place.to || end > size) throw new RangeError('damaged LZ4 data');
    // A copy may overlap its own source, which repeats it.
    for (; place.to < end; place.to += 1) unpacked[place.to] = unpacked[place.to - offset] ?? 0;
  }
  if (place.to !== size) throw new RangeError('LZ4 data that is cut off');
  return unpacked;
}

interface Place {
  /** In the block. */
  from: number;
  /** In what is unpacked. */
  to: number;
}

function byteAt(block: Uint8Array, place: Place): number {
  const byte = block[place.from];
  if (byte === undefined) throw new RangeError('LZ4 data that is cut off');
  place.from += 1;
  return byte;
}

/** Lengths from 15 on go on in further bytes, up to one that is not 255. */
function lengthOf(nibble: number, block: Uint8Array, place: Place): number {
  let length = nibble;
  if (nibble < 15) return length;
  for (let byte = 255; byte === 255; length += byte) byte = byteAt(block, place);
  return length;
}

function partOf(block: Uint8Array, from: number, length: number): Uint8Array {
  if (from + length > block.length) throw new RangeError('LZ4 data that is cut off');
  return block.subarray(from, from + length);
}
