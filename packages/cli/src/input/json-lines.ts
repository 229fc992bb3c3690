import { OsaError } from '@osa/core/error';

const [lineFeed, carriageReturn, space, tab, quote, backslash, comma] = [
  0x0a, 0x0d, 0x20, 0x09, 0x22, 0x5c, 0x2c,
];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Cuts a JSON array, or objects one after the other, into a line each, however they are laid out. Nothing is parsed or
 * kept in memory. Blank lines are added so that each record is on the line of the file on which it begins, as far as that
 * can be.
 */
export class JsonLines {
  private readonly name: string;
  private line = 1;
  private written = 1;
  private depth = 0;
  private isInList = false;
  private isAfterList = false;
  private isScalar = false;
  private inString = false;
  private escaped = false;
  private began = 1;

  constructor(name: string) {
    this.name = name;
  }

  /** The lines of a chunk, which is changed. @throws OsaError `usage` */
  *cut(chunk: Buffer): Generator<Buffer> {
    let start = this.isInside() ? 0 : -1;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (byte === lineFeed) this.line += 1;
      const wasInside = this.isInside();
      const end = this.step(byte, chunk, at);
      if (!wasInside && this.isInside()) {
        start = at;
        yield* this.begin();
      }
      if (end === 0) continue;
      yield chunk.subarray(start, at + end - 1);
      yield Buffer.from('\n');
      this.written += 1;
      start = -1;
    }
    if (start !== -1 && this.isInside()) yield chunk.subarray(start);
  }

  /** The end of the last line. @throws OsaError `usage` for a file that is cut off */
  *end(): Generator<Buffer> {
    if (this.depth > 0 || this.inString || this.isInList) {
      const where = this.isInside() ? `in the record that begins on line ${this.began}` : 'within the list';
      throw this.flaw(`the file ends ${where}`);
    }
    if (this.isScalar) yield Buffer.from('\n');
  }

  private isInside(): boolean {
    return this.depth > 0 || this.isScalar || this.inString;
  }

  private *begin(): Generator<Buffer> {
    this.began = this.line;
    if (this.line <= this.written) return;
    yield Buffer.alloc(this.line - this.written, lineFeed);
    this.written = this.line;
  }

  /** 0 within a record; 1 when the record ended before this byte, 2 when it ends with it. */
  private step(byte: number, chunk: Buffer, at: number): 0 | 1 | 2 {
    if (this.inString) {
      if (byte === lineFeed) throw this.flaw('a line break within a text; write \\n');
      if (this.escaped) this.escaped = false;
      else if (byte === backslash) this.escaped = true;
      else if (byte === quote) this.inString = false;
      return 0;
    }
    const isSpace = byte === space || byte === tab || byte === carriageReturn || byte === lineFeed;
    if (this.depth > 0) return this.stepInside(byte, isSpace, chunk, at);
    return this.stepBetween(byte, isSpace);
  }

  private stepInside(byte: number, isSpace: boolean, chunk: Buffer, at: number): 0 | 2 {
    if (isSpace) chunk[at] = space;
    else if (byte === quote) this.inString = true;
    else if (byte === openObject || byte === openList) this.depth += 1;
    else if (byte === closeObject || byte === closeList) this.depth -= 1;
    return this.depth === 0 ? 2 : 0;
  }

  private stepBetween(byte: number, isSpace: boolean): 0 | 1 {
    if (isSpace || byte === comma || (byte === closeList && this.isInList)) {
      const ended = this.isScalar;
      this.isScalar = false;
      if (byte === closeList) [this.isInList, this.isAfterList] = [false, true];
      return ended ? 1 : 0;
    }
    if (this.isAfterList) throw this.flaw('something follows the end of the list');
    if (byte === openList && !this.isInList && !this.isScalar) {
      this.isInList = true;
    } else if (byte === openObject || byte === openList) {
      this.depth = 1;
      this.isScalar = false;
    } else {
      this.isScalar = true;
      if (byte === quote) this.inString = true;
    }
    return 0;
  }

  private flaw(problem: string): OsaError {
    return new OsaError('usage', `${this.name} line ${this.line}: ${problem}`, {
      details: { line: this.line },
    });
  }
}
