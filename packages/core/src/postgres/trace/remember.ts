/**
 * Keeps what `load` gave for the keys that were asked for last, at most `most` of them. Several that ask for one key at once
 * share one load. A value that is undefined, or not `final`, is returned and not kept.
 */
export function remember<T>(
  most: number,
  load: (key: string) => Promise<T | undefined>,
  isFinal: (value: T) => boolean = () => true,
): (key: string) => Promise<T | undefined> {
  const kept = new Map<string, T>();
  const loading = new Map<string, Promise<T | undefined>>();
  const keep = (key: string, value: T) => {
    // The order of a map is that of its insertions: the first key is the one that was used longest ago.
    kept.delete(key);
    kept.set(key, value);
    for (const oldest of kept.size > most ? kept.keys().take(1) : []) kept.delete(oldest);
  };
  const loadOnce = (key: string) => {
    const known = loading.get(key);
    if (known) return known;
    const started = load(key)
      .then((value) => {
        if (value !== undefined && isFinal(value)) keep(key, value);
        return value;
      })
      .finally(() => loading.delete(key));
    loading.set(key, started);
    return started;
  };
  return async (key) => {
    const value = kept.get(key);
    if (value === undefined) return loadOnce(key);
    keep(key, value);
    return value;
  };
}
