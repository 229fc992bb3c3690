import { OsaError } from '../error.ts';
import { excerpt } from '../text.ts';

/** A regular expression as a tree. Groups are gone: nothing is captured, and greed does not change what matches. */
export type PatternNode =
  | { readonly kind: 'char'; readonly matches: (point: number) => boolean }
  | { readonly kind: 'assert'; readonly holds: (before: Point, after: Point) => boolean }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly item: PatternNode; readonly least: number; readonly most: number };

/** A code point; undefined before the start and behind the end of the value. */
type Point = number | undefined;

/**
 * Reads `source`, a regular expression of ECMAScript with the flag u (ECMA-262 §22.2.1), without lookaround and
 * back references. The engine itself has the word on what is valid, and on what a class or an escape matches.
 *
 * @throws OsaError `invalid`.
 */
export function parsePattern(source: string): PatternNode {
  refuseInvalid(source);
  const tokens = Array.from(source.matchAll(token), ([text]) => text);
  const reader = { tokens: tokens.reverse(), atoms: new Map<string, PatternNode>() };
  return readChoice(reader);
}

/** The tokens that are left, the next one last; and what is known of each atom, which may stand many times. */
interface Reader {
  readonly tokens: string[];
  readonly atoms: Map<string, PatternNode>;
}

const token = new RegExp(
  [
    String.raw`\[(?:\\.|[^\]\\])*\]`, // a class
    String.raw`\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}`, // a pair of surrogates is one character
    String.raw`\\u\{[\da-fA-F]+\}|\\u[\da-fA-F]{4}|\\x[\da-fA-F]{2}|\\c[a-zA-Z]|\\[pP]\{[^}]*\}|\\k<[^>]*>|\\[1-9]\d*|\\.`,
    String.raw`\(\?(?:<?[=!]|<[^>]*>|[a-z-]*:)|\(|\)|\|`,
    String.raw`[*+?]\??|\{\d+(?:,\d*)?\}\??`,
    '.',
  ].join('|'),
  'gsu',
);

const quantifier = /^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??$/;
const group = /^\((?:\?<[^=!].*|\?:)?$/su;

function refuseInvalid(source: string): void {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    refuseNeedless(source);
    throw new OsaError('invalid', `is not a regular expression: ${error.message}`, { cause: error });
  }
}

/** @throws OsaError `invalid` when nothing is wrong but backslashes before characters that need none, such as `\\-` */
function refuseNeedless(source: string): void {
  const needless = new Set<string>();
  const without = source.replace(part, (text) => {
    const escapes = text.startsWith('[') ? needlessInClass : needlessEscape;
    return text.replace(escapes, (escaped) => bare(escaped, needless));
  });
  if (needless.size === 0 || !isRegExp(without)) return;
  const list = [...needless].join(', ');
  const one = needless.size === 1;
  throw new OsaError(
    'invalid',
    `holds ${list}, which ${one ? 'is not an escape' : 'are not escapes'}: the backslash can go`,
  );
}

function bare(escaped: string, needless: Set<string>): string {
  const [, character] = escaped;
  if (character === undefined || needed.test(character)) return escaped;
  needless.add(escaped);
  return character;
}

const part = /\[(?:\\.|[^\]\\])*\]|\\.|[^[\\]+/gsu;
const needlessEscape = /\\./gsu;
/** A hyphen within a class may need its backslash. */
const needlessInClass = /\\[^-]/gsu;
/** Characters that mean something behind a backslash, or something else without one. */
const needed = /[\^$\\.*+?()[\]{}|/dDsSwWbBtnvfrc0-9xupPk]/u;

function isRegExp(source: string): boolean {
  try {
    return new RegExp(source, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

function readChoice(reader: Reader): PatternNode {
  const options = [readSequence(reader)];
  while (reader.tokens.at(-1) === '|') {
    reader.tokens.pop();
    options.push(readSequence(reader));
  }
  const [only] = options;
  return options.length === 1 && only ? only : { kind: 'choice', options };
}

function readSequence(reader: Reader): PatternNode {
  const items: PatternNode[] = [];
  for (;;) {
    const next = reader.tokens.at(-1);
    if (next === undefined || next === '|' || next === ')') return { kind: 'sequence', items };
    reader.tokens.pop();
    items.push(repeated(readAtom(next, reader), reader));
  }
}

function repeated(item: PatternNode, reader: Reader): PatternNode {
  const [text, sign, count, comma, upper] = quantifier.exec(reader.tokens.at(-1) ?? '') ?? [];
  if (text === undefined) return item;
  reader.tokens.pop();
  if (sign !== undefined) {
    return {
      kind: 'repeat',
      item,
      least: sign === '+' ? 1 : 0,
      most: sign === '?' ? 1 : Number.POSITIVE_INFINITY,
    };
  }
  const least = Number(count);
  const most = comma === undefined ? least : upper ? Number(upper) : Number.POSITIVE_INFINITY;
  return { kind: 'repeat', item, least, most };
}

function readAtom(text: string, reader: Reader): PatternNode {
  const assertion = assertions.get(text);
  if (assertion) return { kind: 'assert', holds: assertion };
  if (group.test(text)) {
    const inner = readChoice(reader);
    reader.tokens.pop();
    return inner;
  }
  if (text.startsWith('(') || /^\\[1-9k]/.test(text)) throw unsupported(text);
  const known = reader.atoms.get(text) ?? { kind: 'char', matches: characterTest(text) };
  reader.atoms.set(text, known);
  return known;
}

function unsupported(text: string): OsaError {
  return new OsaError(
    'invalid',
    `uses ${excerpt(text)}; lookaround, back references and flags are not offered, since they cannot be searched in linear time`,
  );
}

/** Characters whose answers an atom keeps. */
const mostKnown = 1_000;

/** Whether one character matches `atom`. The engine is asked when a value first needs it: most atoms meet few characters. */
function characterTest(atom: string): (point: number) => boolean {
  const known = new Map<number, boolean>();
  let expression: RegExp | undefined;
  return (point) => {
    const answer = known.get(point);
    if (answer !== undefined) return answer;
    expression ??= new RegExp(`^(?:${atom})$`, 'u');
    const asked = expression.test(String.fromCodePoint(point));
    if (known.size < mostKnown) known.set(point, asked);
    return asked;
  };
}

const isWord = (point: Point) => point !== undefined && /^\w$/.test(String.fromCodePoint(point));

const assertions = new Map<string, (before: Point, after: Point) => boolean>([
  ['^', (before) => before === undefined],
  ['$', (_, after) => after === undefined],
  [String.raw`\b`, (before, after) => isWord(before) !== isWord(after)],
  [String.raw`\B`, (before, after) => isWord(before) === isWord(after)],
]);
