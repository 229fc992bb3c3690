import { OsaError } from '../error.ts';
import { bounds } from '../limits.ts';
import { excerpt } from '../text.ts';
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  DOT,
  LOWER_CASE,
  LOWER_E,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  MINUS,
  NINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  PLUS,
  QUOTE,
  ZERO,
} from './characters.ts';
import { keptNumber, plainLength } from './decimal.ts';
import { isKeptByDouble, JsonNumber, numberProblem, roundedProblem } from './number.ts';
import type { RawNumber } from './raw.ts';
import { JsonScanner } from './scanner.ts';
import type { JsonValue } from './value.ts';

export interface JsonOptions {
  /** Levels of arrays and objects. Reading is recursive, so keep it below 1,000. */
  readonly maxDepth?: number;
  /**
   * `double`: a fraction or a number with an exponent is the nearest double; an integer is refused when it would be
   * rounded. `strict`: every number is refused that would be rounded. `kept`: such a number becomes raw JSON, with all
   * its digits. `exact`: numbers stay the text they were written as. Each refuses what overflows or vanishes in a double.
   */
  readonly numbers?: 'double' | 'strict' | 'kept' | 'exact';
  /** In an object that is the value of this key, numbers are `kept`. */
  readonly keptUnder?: string;
  /** Refuses the key `__proto__`, for input that is merged or copied by code that is not ours. */
  readonly refuseProto?: boolean;
  /** Values of all kinds, arrays and objects included; any number by default. More are `too_large`. */
  readonly maxValues?: number;
  /** For text that we wrote ourselves: nothing is refused because it could not be stored. */
  readonly trusted?: boolean;
  /** How long the text may be once its numbers are written without exponents, as PostgreSQL writes those of `jsonb`. */
  readonly maxPlainLength?: number;
}

/** How a number is read: a double, raw JSON where no double keeps it, or its text. */
export type ReadNumber = number | RawNumber | JsonNumber;

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

/**
 * Walks over one JSON text, once and forwards, so that a reader who knows the shape takes values, or their exact
 * source, without building objects. `value` refuses a key that stands twice; a caller that walks over members does so
 * with `refuseTwin`.
 *
 *     for (let more = cursor.enterObject(); more; more = cursor.moreMembers()) visit(cursor.key());
 *
 * `string`, `number`, `boolean` and `null` are for a value whose `kind` has just been asked. Every method throws OsaError `malformed` with `details.offset`.
 */
export class JsonCursor extends JsonScanner {
  private readonly maxDepth: number;
  private readonly refuseProto: boolean;
  private readonly maxValues: number;
  private values = 0;
  private readonly keptUnder: string | undefined;
  private numbers: NonNullable<JsonOptions['numbers']>;
  private depth = 0;
  private keyAt = 0;
  private added = 0;

  constructor(text: string, options: JsonOptions = {}) {
    super(text, options.trusted ?? false);
    this.maxDepth = options.maxDepth ?? bounds.jsonDepth;
    this.numbers = options.numbers ?? 'double';
    this.refuseProto = options.refuseProto ?? false;
    this.maxValues = options.maxValues ?? Number.POSITIVE_INFINITY;
    this.keptUnder = options.keptUnder;
  }

  /** The kind of the next value, by its first character. */
  kind(): JsonKind {
    this.skipSpace();
    const code = this.text.charCodeAt(this.at);
    if (code === QUOTE) return 'string';
    if (code === MINUS || isDigit(code)) return 'number';
    if (code === OPEN_BRACE) return 'object';
    if (code === OPEN_BRACKET) return 'array';
    if (code === LOWER_N) return 'null';
    if (code === LOWER_T || code === LOWER_F) return 'boolean';
    return this.unexpected();
  }

  value(): JsonValue<ReadNumber> {
    if (++this.values > this.maxValues) throw tooMany(this.maxValues);
    switch (this.kind()) {
      case 'string':
        return this.string();
      case 'number':
        return this.readNumber(this.number());
      case 'object':
        return this.object();
      case 'array':
        return this.array();
      case 'boolean':
        return this.boolean();
      case 'null':
        return this.null();
    }
  }

  /** The source text of the next value, which is checked as any other. */
  raw(): string {
    this.skipSpace();
    const start = this.at;
    this.value();
    return this.text.slice(start, this.at);
  }

  /** Where the cursor stands, for `since`; behind `kind` it is the start of the value. */
  get position(): number {
    return this.at;
  }

  /** The source text from `position` to the cursor. */
  since(position: number): string {
    return this.text.slice(position, this.at);
  }

  /** The length of the text so far, if its numbers had no exponents. */
  get plainLength(): number {
    return this.at + this.added;
  }

  /** Goes into an object; true when it has a member, whose `key` is next. */
  enterObject(): boolean {
    return this.enter(OPEN_BRACE, CLOSE_BRACE);
  }

  /** Goes on to the next member; false at the object's end. */
  moreMembers(): boolean {
    return this.more(CLOSE_BRACE);
  }

  /** Goes into an array; true when it has an element, which is next. */
  enterArray(): boolean {
    return this.enter(OPEN_BRACKET, CLOSE_BRACKET);
  }

  /** Goes on to the next element; false at the array's end. */
  moreElements(): boolean {
    return this.more(CLOSE_BRACKET);
  }

  key(): string {
    this.skipSpace();
    this.keyAt = this.at;
    const key = this.string();
    this.skipSpace();
    if (this.text.charCodeAt(this.at) !== COLON) this.unexpected();
    this.at++;
    if (this.refuseProto && key === '__proto__') this.fail('the key "__proto__" is not allowed', this.keyAt);
    return key;
  }

  refuseTwin(key: string): never {
    return this.fail(`duplicate key ${excerpt(key)}`, this.keyAt);
  }

  /** The number's text. It overflows no double, and is zero only if it was written as zero. */
  number(): string {
    const text = this.text;
    const start = this.at;
    let at = start;
    if (text.charCodeAt(at) === MINUS) at++;
    if (text.charCodeAt(at) === ZERO) at++;
    else at = this.digits(at);
    if (text.charCodeAt(at) === DOT) at = this.digits(at + 1);
    const exponent = text.charCodeAt(at) | LOWER_CASE;
    if (exponent === LOWER_E) {
      at++;
      const sign = text.charCodeAt(at);
      if (sign === PLUS || sign === MINUS) at++;
      at = this.digits(at);
    }
    this.at = at;
    const number = text.slice(start, at);
    if (exponent !== LOWER_E && number.length <= safelyShort) return number;
    const problem = this.trusted ? undefined : numberProblem(number);
    if (problem !== undefined) this.fail(problem, start);
    if (exponent === LOWER_E) this.added += plainLength(number) - number.length;
    return number;
  }

  boolean(): boolean {
    const isTrue = this.text.charCodeAt(this.at) === LOWER_T;
    this.literal(isTrue ? 'true' : 'false');
    return isTrue;
  }

  null(): null {
    this.literal('null');
    return null;
  }

  /** Refuses anything but space behind the value. */
  end(): void {
    this.skipSpace();
    if (this.at < this.text.length) this.unexpected();
  }

  private object(): { [key: string]: JsonValue<ReadNumber> } {
    const result: { [key: string]: JsonValue<ReadNumber> } = {};
    for (let more = this.enterObject(); more; more = this.moreMembers()) {
      const key = this.key();
      // The look-up is fast and finds inherited names too; only then the exact question is asked.
      if (result[key] !== undefined && Object.hasOwn(result, key)) this.refuseTwin(key);
      const value = key === this.keptUnder && this.kind() === 'object' ? this.keptObject() : this.value();
      if (key === '__proto__') Object.defineProperty(result, key, { ...ownProperty, value });
      else result[key] = value;
    }
    return result;
  }

  private keptObject(): JsonValue<ReadNumber> {
    const { numbers } = this;
    this.numbers = 'kept';
    const value = this.object();
    this.numbers = numbers;
    return value;
  }

  private array(): JsonValue<ReadNumber>[] {
    const result: JsonValue<ReadNumber>[] = [];
    for (let more = this.enterArray(); more; more = this.moreElements()) result.push(this.value());
    return result;
  }

  private enter(open: number, close: number): boolean {
    this.skipSpace();
    if (this.text.charCodeAt(this.at) !== open) this.unexpected();
    if (++this.depth > this.maxDepth) this.fail(`nested deeper than ${this.maxDepth} levels`);
    this.at++;
    this.skipSpace();
    if (this.text.charCodeAt(this.at) !== close) return true;
    this.at++;
    this.depth--;
    return false;
  }

  private more(close: number): boolean {
    this.skipSpace();
    const code = this.text.charCodeAt(this.at);
    if (code !== COMMA && code !== close) this.unexpected();
    this.at++;
    if (code === COMMA) return true;
    this.depth--;
    return false;
  }

  /** The place behind the run of digits at `at`, which must have one. */
  private digits(at: number): number {
    const text = this.text;
    if (!isDigit(text.charCodeAt(at))) this.unexpected(at);
    let end = at + 1;
    while (isDigit(text.charCodeAt(end))) end++;
    return end;
  }

  private readNumber(text: string): ReadNumber {
    if (this.numbers === 'exact') return new JsonNumber(text);
    if (this.numbers === 'double' && isKeptByDouble(text)) return Number(text);
    const kept = keptNumber(text);
    if (typeof kept === 'number' || this.numbers === 'kept') return kept;
    return this.fail(roundedProblem(text), this.at - text.length);
  }
}

function tooMany(limit: number): OsaError {
  return new OsaError('too_large', `the JSON holds more than the ${limit} values allowed`, {
    details: { limit, unit: 'values' },
  });
}

const isDigit = (code: number) => code >= ZERO && code <= NINE;
const ownProperty = { configurable: true, enumerable: true, writable: true } as const;

/** A number without exponent that is not longer than this neither overflows nor vanishes. */
const safelyShort = 300;
