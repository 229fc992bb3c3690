/** Pairs of labels, such as a hook and a release, that a series may have at most. */
const most = 1_000;

/** Gives a pair of labels back, and `other` for each pair beyond the bound: every new release would be a series. */
export function boundedPairs(bound = most): (first: string, second: string) => readonly [string, string] {
  const known = new Set<string>();
  return (first, second) => {
    const key = `${first}\n${second}`;
    if (!known.has(key) && known.size >= bound) return [first, 'other'];
    known.add(key);
    return [first, second];
  };
}
