import { OsaError } from '../error.ts';
import { excerpt } from '../text.ts';
import { BACKSLASH, CARRIAGE_RETURN, LINE_FEED, QUOTE, SPACE, TAB } from './characters.ts';

/** A place in a JSON text: what is below numbers, arrays and objects. Use it as `JsonCursor`. */
export class JsonScanner {
  protected readonly text: string;
  protected readonly trusted: boolean;
  protected at = 0;

  constructor(text: string, trusted: boolean) {
    this.text = text;
    this.trusted = trusted;
    if (!trusted && !text.isWellFormed()) this.fail('a lone surrogate', lonePlace(text));
  }

  string(): string {
    const text = this.text;
    if (text.charCodeAt(this.at) !== QUOTE) this.unexpected();
    const start = this.at + 1;
    let at = start;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.at = at + 1;
        return text.slice(start, at);
      }
      if (code === BACKSLASH) return this.escapedString(start, at);
      if (!(code >= SPACE)) this.unexpected(at);
      at++;
    }
  }

  fail(problem: string, at = this.at): never {
    const offset = Buffer.byteLength(this.text.slice(0, at));
    throw new OsaError('malformed', `at byte ${offset}: ${problem}`, { details: { offset } });
  }

  /** The rest of a string whose first escape stands at `at`. */
  private escapedString(start: number, at: number): string {
    const text = this.text;
    let result = '';
    let from = start;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.at = at + 1;
        return result + text.slice(from, at);
      }
      if (code === BACKSLASH) {
        result += text.slice(from, at) + this.escape(at);
        at = from = this.at;
      } else if (code >= SPACE) at++;
      else this.unexpected(at);
    }
  }

  /** The character of the escape at `at`; the cursor stands behind it afterwards. */
  private escape(at: number): string {
    const letter = this.text.charAt(at + 1);
    const simple = simpleEscapes.get(letter);
    if (simple !== undefined) {
      this.at = at + 2;
      return simple;
    }
    if (letter !== 'u') this.unexpected(at + 1);
    const unit = this.hexadecimal(at + 2);
    if (unit === 0 && !this.trusted) this.fail('\\u0000 in a string, which cannot be stored', at);
    this.at = at + 6;
    if (unit < 0xd800 || unit > 0xdfff || this.trusted) return String.fromCharCode(unit);
    const isPair = unit <= 0xdbff && this.text.startsWith('\\u', at + 6);
    const low = isPair ? this.hexadecimal(at + 8) : 0;
    if (low < 0xdc00 || low > 0xdfff) this.fail('a lone surrogate', at);
    this.at = at + 12;
    return String.fromCharCode(unit, low);
  }

  private hexadecimal(at: number): number {
    let unit = 0;
    for (let place = at; place < at + 4; place++) {
      const digit = hexadecimalDigits.indexOf(this.text.charAt(place).toLowerCase() || 'none');
      if (digit < 0) this.unexpected(place);
      unit = unit * 16 + digit;
    }
    return unit;
  }

  protected literal(word: string): void {
    if (!this.text.startsWith(word, this.at)) this.unexpected();
    this.at += word.length;
  }

  protected skipSpace(): void {
    const text = this.text;
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code !== SPACE && code !== LINE_FEED && code !== CARRIAGE_RETURN && code !== TAB) return;
      this.at++;
    }
  }

  protected unexpected(at = this.at): never {
    if (at >= this.text.length) return this.fail('the JSON ends too early', this.text.length);
    if (at === 0 && this.text.startsWith('\ufeff')) return this.fail('a byte order mark', 0);
    const [notJson] = notNumbers.exec(this.text.slice(at, at + 9)) ?? [];
    if (notJson !== undefined) {
      const sign = this.text[at - 1] === '-' ? '-' : '';
      return this.fail(`${sign}${notJson} is not JSON; write null`, at - sign.length);
    }
    const found = String.fromCodePoint(this.text.codePointAt(at) ?? 0);
    return this.fail(`unexpected ${excerpt(found)}`, at);
  }
}

/** How JavaScript and Python print numbers that JSON lacks. */
const notNumbers = /^(?:NaN|Infinity)\b/;
const hexadecimalDigits = '0123456789abcdef';

const simpleEscapes = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/** The first place in `text` where half of a surrogate pair stands alone. */
function lonePlace(text: string): number {
  const wellFormed = text.toWellFormed();
  let at = 0;
  while (text.charCodeAt(at) === wellFormed.charCodeAt(at)) at++;
  return at;
}
