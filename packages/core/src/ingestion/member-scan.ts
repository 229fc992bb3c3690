import { createHash } from 'node:crypto';
import { parseJson } from '../json/parse.ts';
import { bounds } from '../limits.ts';

const [quote, backslash, colon, comma] = [0x22, 0x5c, 0x3a, 0x2c];
const isOpen = (byte: number) => byte === 0x5b || byte === 0x7b;
const isClose = (byte: number) => byte === 0x5d || byte === 0x7d;
const isSpace = (byte: number) => byte === 0x20 || byte === 0x09 || byte === 0x0d;

/** A character of an id takes six bytes at most, as an escape. */
const mostBytes = 6 * bounds.sourceIdBytes + 2;

/**
 * Finds the members `source_id` and `id` of an object that comes in pieces and cannot be parsed whole. It follows
 * strings and brackets only, and keeps no more than one id in memory.
 */
export class MemberScan {
  private readonly hash = createHash('sha256');
  private readonly found: [name: string, value: unknown][] = [];
  private depth = 0;
  private started = false;
  private broken = false;
  private inString = false;
  private escaped = false;
  /** The bytes of a key, or of the value of an id, with its quotes; undefined where they do not matter. */
  private token: number[] | undefined;
  private key: string | undefined;

  add(bytes: Uint8Array): void {
    this.hash.update(bytes);
    for (const byte of bytes) this.step(byte);
  }

  /** Whether all of it was one object with its end. */
  isWhole(): boolean {
    return this.started && this.depth === 0 && !this.inString && !this.broken;
  }

  /** The members with their values, in order; undefined for a value that is not text that can be kept. */
  members(): readonly (readonly [name: string, value: unknown])[] {
    return this.found;
  }

  /** SHA-256, hex, of all bytes. */
  digest(): string {
    return this.hash.copy().digest('hex');
  }

  private step(byte: number): void {
    if (this.inString) this.stepInString(byte);
    else if (!isSpace(byte)) this.stepOutside(byte);
  }

  private stepOutside(byte: number): void {
    if (this.depth === 0) {
      this.broken ||= this.started || byte !== 0x7b;
      this.started = true;
    }
    if (byte === quote) {
      this.inString = true;
      if (this.depth === 1) this.token ??= [];
      this.keep(byte);
      return;
    }
    if (isClose(byte)) this.depth -= 1;
    if (this.depth <= 1) this.stepBetween(byte);
    if (isOpen(byte)) this.depth += 1;
  }

  private stepInString(byte: number): void {
    this.keep(byte);
    if (this.escaped) this.escaped = false;
    else if (byte === backslash) this.escaped = true;
    else if (byte === quote) this.inString = false;
  }

  private stepBetween(byte: number): void {
    if (byte === colon && this.key === undefined) {
      const key = this.takeText();
      this.key = typeof key === 'string' ? key : '';
      this.token = undefined;
    } else if (byte === comma || isClose(byte)) {
      if (this.key === 'source_id' || this.key === 'id') this.found.push([this.key, this.takeText()]);
      this.key = undefined;
      this.token = undefined;
    } else this.keep(byte);
  }

  private keep(byte: number): void {
    if (this.token !== undefined && this.token.length <= mostBytes) this.token.push(byte);
  }

  private takeText(): string | undefined {
    try {
      const value = parseJson(Buffer.from(this.token ?? []));
      return typeof value === 'string' ? value : undefined;
    } catch {
      return undefined;
    }
  }
}
