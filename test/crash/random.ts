/** Numbers that a seed decides (mulberry32), so that one seed gives one schedule. */
export interface Random {
  /** From 0 (with) to 1 (without). */
  next(): number;
  /** From `least` to `most`, both with. */
  int(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Some of them, in their order. */
  some<T>(from: readonly T[], count: number): T[];
  /** Another source that does not depend on how often this one is asked. */
  fork(name: string): Random;
}

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (from) => {
      const chosen = from[int(0, from.length - 1)];
      if (chosen === undefined) throw new Error('there is nothing to pick from');
      return chosen;
    },
    some: (from, count) => {
      const indexes = new Set<number>();
      while (indexes.size < Math.min(count, from.length)) indexes.add(int(0, from.length - 1));
      return from.filter((_, index) => indexes.has(index));
    },
    fork: (name) =>
      seeded([...name].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), seed)),
  };
}
