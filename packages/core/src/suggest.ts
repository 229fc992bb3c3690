/**
 * The candidate that the writer of `word` most likely meant: another common name of it, else the nearest one by edit
 * distance. A swap of two neighbours counts one, and the distance is at most a third of the word. Undefined when none
 * is near.
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const known = synonyms.get(lower)?.find((name) => candidates.includes(name));
  if (known !== undefined) return known;
  if (lower.length > longestWord) return undefined;
  const near = candidates
    .map((name) => ({ name, distance: distance(lower, name) }))
    .filter(
      ({ name, distance }) => distance <= Math.max(1, Math.floor(Math.min(word.length, name.length) / 3)),
    )
    .sort((left, right) => left.distance - right.distance);
  return near[0]?.name;
}

/** Longer words are no typing errors, and the distance costs the product of both lengths. */
const longestWord = 60;

const synonyms = new Map(
  Object.entries({
    str: ['string', 'text'],
    text: ['string'],
    string: ['text'],
    varchar: ['string', 'text'],
    int: ['integer', 'number'],
    integer: ['number'],
    bigint: ['integer', 'number'],
    float: ['number'],
    double: ['number'],
    decimal: ['number'],
    bool: ['boolean'],
    list: ['array'],
    dict: ['object'],
    map: ['object'],
    json: ['object'],
    datetime: ['date-time', 'date'],
    timestamp: ['date-time', 'date'],
    uri: ['url'],
    link: ['url'],
    env: ['config'],
    timeout: ['timeout_seconds'],
    dir: ['directory'],
    path: ['directory'],
    args: ['command'],
    type: ['json_type'],
    json_type: ['type'],
    entrypoint: ['command'],
  }),
);

/** Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let least = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        least = Math.min(least, at(beforeLast, column - 2) + 1);
      }
      current.push(least);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
