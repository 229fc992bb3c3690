/** Places in a value that JSON or YAML can hold. */

export type Path = readonly PropertyKey[];

/** `['hooks', 0, 'config', 'a b']` → `hooks[0].config["a b"]`. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const key = String(step);
    if (!/^[\w$-]+$/.test(key)) return `${text}[${JSON.stringify(key)}]`;
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

/** The steps of a text that `pathText` made. */
export function pathOf(text: string): Path {
  return [...text.matchAll(/\[(?:(\d+)|("(?:[^"\\]|\\.)*"))\]|([\w$-]+)/g)].map(([, index, quoted, key]) =>
    index === undefined
      ? quoted === undefined
        ? (key ?? '')
        : (JSON.parse(quoted) as string)
      : Number(index),
  );
}

/** The value at `path`, or undefined. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? Reflect.get(inner, key)
        : undefined,
    value,
  );
}
