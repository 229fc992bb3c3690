import { createHash } from 'node:crypto';

/**
 * Different places below `total`, `most` of them or all, each as likely as any other. The same seed draws the same ones.
 */
export function drawPlaces(seed: string, { total, most }: { total: number; most: number }): number[] {
  if (most >= total) return Array.from({ length: total }, (_, place) => place);
  // Floyd's algorithm: as many draws as places, however many there are to draw from.
  const drawn = new Set<number>();
  for (let last = total - most; last < total; last += 1) {
    const place = Math.floor(fraction(seed, last) * (last + 1));
    drawn.add(drawn.has(place) ? last : place);
  }
  return [...drawn].sort((left, right) => left - right);
}

/** Evenly from 0 up to 1, by 48 bits of a digest. */
function fraction(seed: string, n: number): number {
  return createHash('sha256').update(`${seed} ${n}`).digest().readUIntBE(0, 6) / 2 ** 48;
}
