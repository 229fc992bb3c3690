import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { bounds } from '../../limits.ts';
import type { Path } from '../../value-path.ts';
import { doubtOf } from './yaml-doubt.ts';
import { readNumber } from './yaml-number.ts';
import { isEmpty, type Mark, marksOf, type Place, placeAt, placeOf, start } from './yaml-places.ts';
import { plainWords } from './yaml-words.ts';

/**
 * Reads YAML 1.2 (core schema) as JSON values; the tree tells where each of them stands. Anything that JSON cannot
 * hold, or that is read differently from how it looks, is a flaw. These are duplicate and merge keys, tags, keys that
 * are not text, numbers that a double cannot hold, and what `yaml-doubt.ts` lists. Never throws for any text.
 */
export function readYaml(text: string): YamlTree {
  if (Buffer.byteLength(text) > bounds.manifestBytes) {
    const message = `the file has ${Buffer.byteLength(text)} bytes, at most ${bounds.manifestBytes} are read`;
    return failedTree([{ place: start, path: [], message }]);
  }
  const lines = new LineCounter();
  const document = parseYaml(text.replace(/^\uFEFF/, ''), lines);
  if (document === undefined) {
    const message = 'is not valid YAML: it is nested too deep, or its brackets and indentation do not match';
    return failedTree([{ place: start, path: [], message }]);
  }
  const syntax = syntaxFlaws(document, lines);
  return syntax.length > 0 ? failedTree(syntax) : new TreeReader(document, lines).read();
}

/** Uses of aliases in one file. */
const maxAliases = 100;
/**
 * Values in one file, once its aliases are followed. zod passes all issues of a list as arguments of one call. The
 * stack holds some 120,000, and a value may cause three.
 */
const maxValues = 30_000;

export interface Flaw {
  readonly place: Place;
  readonly path: Path;
  readonly message: string;
  /** Whether the mapping at the path may have more keys than could be read, so that none is reported as missing. */
  readonly isIncomplete?: true;
}

export interface YamlTree {
  readonly value: unknown;
  readonly flaws: readonly Flaw[];
  /** Where the value at a path stands; undefined for one that the text does not have. */
  markOf(path: Path): Mark | undefined;
  /** Set when the text is not YAML, or not read to its end, so that `value` says nothing. */
  readonly unreadable: boolean;
}

/** Undefined for a text on which the parser, which is recursive, runs out of stack. */
function parseYaml(text: string, lines: LineCounter): Document.Parsed | undefined {
  try {
    return parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      schema: 'core',
      version: '1.2',
      uniqueKeys: false,
      resolveKnownTags: false,
    });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function failedTree(flaws: readonly Flaw[]): YamlTree {
  return { value: undefined, flaws, markOf: () => undefined, unreadable: true };
}

function syntaxFlaws(document: Document.Parsed, lines: LineCounter): Flaw[] {
  const { errors, directives } = document;
  const flaws = errors.map((error) => ({
    place: placeAt(lines, error.pos[0]),
    path: [],
    message: syntaxMessage(error),
  }));
  const exhausted = flaws.find((_, index) => errors[index]?.code === 'RESOURCE_EXHAUSTION');
  if (exhausted) return [exhausted];
  if (directives?.yaml.explicit && directives.yaml.version !== '1.2') {
    flaws.push({ place: start, path: [], message: `is YAML ${directives.yaml.version}; only 1.2 is read` });
  }
  // Errors that the parser finds after its first one mostly follow from it.
  const [first] = flaws.toSorted(
    (left, right) => left.place.line - right.place.line || left.place.column - right.place.column,
  );
  return first ? [first] : [];
}

function syntaxMessage(error: YAMLError): string {
  switch (error.code) {
    case 'MULTIPLE_DOCS':
      return 'a second document starts here; a file holds one convention';
    case 'RESOURCE_EXHAUSTION':
      return `is nested too deep, at most ${bounds.jsonDepth} levels are read`;
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'is not valid YAML: a key within a value (text that holds ": " must stand in quotes)';
    case 'BAD_SCALAR_START':
      return `is not valid YAML: ${error.message} (write the text in quotes)`;
    default:
      return `is not valid YAML: ${plainWords(error.message)}`;
  }
}

class TreeReader {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #flaws: Flaw[] = [];
  #aliases = 0;
  #values = 0;

  constructor(document: Document.Parsed, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  read(): YamlTree {
    for (const warning of this.#document.warnings) {
      this.#flaws.push({
        place: placeAt(this.#lines, warning.pos[0]),
        path: [],
        message: `the tag is not read (${warning.message}); write the value without it`,
      });
    }
    const value = this.#value(this.#document.contents, [], start);
    return {
      value,
      flaws: this.#flaws,
      markOf: marksOf(this.#document, this.#lines),
      unreadable: this.#values > maxValues,
    };
  }

  #value(node: Node | null, path: Path, key: Place): unknown {
    const place = isEmpty(node) ? key : placeOf(node, this.#lines);
    this.#values += 1;
    if (node === null) return null;
    if (path.length > bounds.jsonDepth) return this.#flaw(place, path, tooDeep);
    if (this.#values > maxValues) {
      return this.#values === maxValues + 1 ? this.#flaw(place, path, tooMany) : null;
    }
    if (isAlias(node)) return this.#alias(node, path, key);
    if (isMap(node)) return this.#map(node, path);
    if (isSeq(node)) return this.#list(node.items, path, place);
    return isScalar(node) ? this.#scalar(node, place, path) : null;
  }

  #alias(node: Alias, path: Path, key: Place): unknown {
    this.#aliases += 1;
    if (this.#aliases > maxAliases) {
      const message = `is one alias too many, at most ${maxAliases} are followed`;
      return this.#aliases === maxAliases + 1 ? this.#flaw(this.#place(node), path, message) : null;
    }
    const target = node.resolve(this.#document);
    if (target) return this.#value(target, path, key);
    return this.#flaw(this.#place(node), path, `*${node.source} names no anchor before it`);
  }

  #list(items: readonly unknown[], path: Path, place: Place): unknown[] {
    return items.map((item, index) => {
      const node = isNode(item) ? item : null;
      return this.#value(node, [...path, index], node ? this.#place(node) : place);
    });
  }

  #map(node: YAMLMap, path: Path): unknown {
    const entries = new Map<string, { readonly key: Place; readonly value: unknown }>();
    for (const pair of node.items) {
      const place = isNode(pair.key) ? this.#place(pair.key) : this.#place(node);
      const key = this.#key(pair, place, path);
      if (key === undefined) continue;
      const keyPath = [...path, key];
      const first = entries.get(key);
      if (first) {
        const { line, column } = first.key;
        this.#flaw(place, keyPath, `is given twice (before at ${line}:${column})`);
        continue;
      }
      entries.set(key, {
        key: place,
        value: this.#value(isNode(pair.value) ? pair.value : null, keyPath, place),
      });
    }
    return Object.fromEntries([...entries].map(([key, { value }]) => [key, value]));
  }

  #key(pair: Pair, place: Place, path: Path): string | undefined {
    const key = isScalar(pair.key) ? pair.key.value : undefined;
    if (typeof key !== 'string') {
      const written = isScalar(pair.key) ? (pair.key.source ?? '') : '';
      this.#flaw(
        place,
        path,
        `has a key that is not text${written && ` (write it in quotes: "${written}")`}`,
      );
      return undefined;
    }
    if (key === '<<' && isScalar(pair.key) && pair.key.type === Scalar.PLAIN) {
      this.#flaws.push({ place, path, message: mergeKey, isIncomplete: true });
      return undefined;
    }
    if (key === '__proto__') {
      this.#flaw(place, path, 'has the key "__proto__", which is not allowed');
      return undefined;
    }
    const flaw = textFlaw(key);
    if (flaw === undefined) return key;
    this.#flaw(place, path, `has a key that ${flaw}`);
    return undefined;
  }

  #scalar(node: Scalar, place: Place, path: Path): unknown {
    const { value } = node;
    const isPlain = node.type === Scalar.PLAIN && node.source !== undefined;
    const doubt = isPlain ? doubtOf(node.source ?? '', path.slice(0, -1).includes('config')) : undefined;
    if (doubt !== undefined) return this.#flaw(place, path, doubt);
    if (typeof value === 'string') {
      const flaw = textFlaw(value);
      return flaw === undefined ? value : this.#flaw(place, path, flaw);
    }
    if (typeof value !== 'number') return value;
    // A config keeps all digits; every other number of a convention is a double.
    const number = readNumber(node.source ?? String(value), path.slice(0, -1).includes('config'));
    return typeof number === 'string' ? this.#flaw(place, path, number) : number;
  }

  /** Reads a value with a flaw as empty, so that nothing else is said about its path. */
  #flaw(place: Place, path: Path, message: string): null {
    this.#flaws.push({ place, path, message });
    return null;
  }

  #place(node: Node): Place {
    return placeOf(node, this.#lines);
  }
}

const mergeKey =
  'has a merge key, <<, which YAML 1.2 does not know; write the keys out (a key of that name stands in quotes)';
const tooDeep = `is nested too deep, at most ${bounds.jsonDepth} levels are read`;
const tooMany = `is one value too many, at most ${maxValues} are read (aliases count as what they stand for)`;

/** PostgreSQL stores neither NUL nor half a surrogate pair. */
function textFlaw(text: string): string | undefined {
  if (text.includes('\0')) return 'holds the character NUL, which cannot be stored';
  return text.isWellFormed() ? undefined : 'holds half of a surrogate pair, which cannot be stored';
}
