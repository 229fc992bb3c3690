import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  Scalar,
  type YAMLMap,
} from 'yaml';
import type { Path } from '../../value-path.ts';

/** Where the values of a YAML text stand. */

/** A place in the text; both count from 1, columns in UTF-16 units as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Mark {
  readonly value: Place;
  readonly key: Place;
  /** A plain scalar as it was written, such as `1.0`. */
  readonly source?: string | undefined;
}

export const start: Place = { line: 1, column: 1 };

export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

export function placeOf(node: Node | null, lines: LineCounter): Place {
  return placeAt(lines, node?.range?.[0] ?? 0);
}

/** Whether a value has no text of its own, so that its key is shown. */
export function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null && !node.source);
}

/** Finds a path in a document. Where a key is given twice, the first one counts; an alias is its target. */
export function marksOf(document: Document.Parsed, lines: LineCounter): (path: Path) => Mark | undefined {
  const known = new WeakMap<YAMLMap, ReadonlyMap<unknown, Entry>>();
  const entriesOf = (map: YAMLMap) => {
    const entries = known.get(map) ?? entriesByKey(map);
    known.set(map, entries);
    return entries;
  };
  return (path) => {
    let found: Found = { node: resolved(document.contents, document), key: start };
    for (const step of path) {
      const next: Found | undefined = stepInto(found, step);
      if (next === undefined) return undefined;
      found = { node: resolved(next.node, document), key: next.key };
    }
    const { node, key } = found;
    const source = isScalar(node) && node.type === Scalar.PLAIN ? node.source : undefined;
    return { value: isEmpty(node) ? key : placeOf(node, lines), key, source };
  };

  function stepInto({ node, key }: Found, step: PropertyKey): Found | undefined {
    if (isMap(node)) {
      const entry = entriesOf(node).get(step);
      return entry && { node: entry.value, key: placeOf(entry.key, lines) };
    }
    if (!isSeq(node) || typeof step !== 'number' || step >= node.items.length) return undefined;
    const item = node.items[step];
    if (isNode(item)) return { node: item, key: placeOf(item, lines) };
    return { node: null, key: isEmpty(node) ? key : placeOf(node, lines) };
  }
}

interface Found {
  readonly node: Node | null;
  readonly key: Place;
}

interface Entry {
  readonly key: Node;
  readonly value: Node | null;
}

function entriesByKey(map: YAMLMap): ReadonlyMap<unknown, Entry> {
  const entries = new Map<unknown, Entry>();
  for (const { key, value } of map.items) {
    if (isScalar(key) && !entries.has(key.value))
      entries.set(key.value, { key, value: isNode(value) ? value : null });
  }
  return entries;
}

function resolved(node: Node | null, document: Document.Parsed): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node;
}
