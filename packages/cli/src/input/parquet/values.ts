import { isUtf8 } from 'node:buffer';
import { OsaError } from '@osa/core/error';
import { excerpt } from '@osa/core/text';
import { type FileMetaData, type ParquetParsers, parquetSchema } from 'hyparquet';

/**
 * Values of a Parquet file as JSON text, with all of their digits and bytes. The library would make doubles of decimals, and
 * change text that is not UTF-8 or begins with U+FEFF.
 */

type Tree = ReturnType<typeof parquetSchema>;

/** A whole number that stands for a decimal or for a time of day in seconds: its digits after the point. */
interface Scale {
  readonly digits: number;
  readonly isTime: boolean;
}

/** By column. */
export type Scales = ReadonlyMap<string, Scale>;

/**
 * Makes the decimals and times of day in the columns `read` of the file `name` plain numbers, so that they are read without a
 * loss, and returns their scales.
 *
 * @throws OsaError `usage` for decimals inside objects, which have no scale of their own here, and for a negative scale,
 * which the format does not have
 */
export function takeScales(
  metadata: FileMetaData,
  { name, read }: { readonly name: string; readonly read: readonly string[] },
): Scales {
  const scales = new Map<string, Scale>();
  for (const column of parquetSchema(metadata).children) {
    const title = column.element.name;
    if (!read.includes(title)) continue;
    for (const { element } of leaves(column)) {
      const time = timeDigits(element);
      if (time !== undefined && isList(column)) scales.set(title, { digits: time, isTime: true });
      const scale = scaleOf(element);
      if (scale === undefined) continue;
      if (!isList(column)) {
        throw new OsaError(
          'usage',
          `${name}: column ${excerpt(title)} has decimals inside objects, which are not read; write them as doubles or as text`,
        );
      }
      if (scale < 0) {
        throw new OsaError(
          'usage',
          `${name}: column ${excerpt(title)} has decimals with the scale ${scale}, and Parquet has scales from 0 on; write them as doubles or as text`,
        );
      }
      scales.set(title, { digits: scale, isTime: false });
      delete element.converted_type;
      delete element.logical_type;
    }
  }
  return scales;
}

function scaleOf({ converted_type, logical_type, scale }: Tree['element']): number | undefined {
  if (logical_type?.type === 'DECIMAL') return logical_type.scale;
  return converted_type === 'DECIMAL' ? (scale ?? 0) : undefined;
}

function timeDigits({ converted_type, logical_type }: Tree['element']): number | undefined {
  const unit = logical_type?.type === 'TIME' ? logical_type.unit : converted_type;
  switch (unit) {
    case 'MILLIS':
    case 'TIME_MILLIS':
      return 3;
    case 'MICROS':
    case 'TIME_MICROS':
      return 6;
    case 'NANOS':
      return 9;
    default:
      return undefined;
  }
}

const leaves = (tree: Tree): Tree[] => (tree.children.length === 0 ? [tree] : tree.children.flatMap(leaves));

/** Whether `tree` is read as values, as such or in lists. A group of another kind is read as an object. */
function isList({ element, children }: Tree): boolean {
  const [repeated, ...others] = children;
  if (!repeated) return true;
  if (element.converted_type !== 'LIST' || repeated.element.repetition_type !== 'REPEATED') return false;
  if (others.length > 0 || repeated.children.length > 1) return false;
  return isList(repeated.children[0] ?? repeated);
}

/** JSON that is in the file as text. */
class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value with the scale of its column. */
export function scaled(value: unknown, scale: Scale | undefined): unknown {
  if (scale === undefined || value === null || value === undefined) return value;
  if (value instanceof Uint8Array) return new JsonText(decimalText(wholeOf(value), scale.digits));
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return Array.from(value as ArrayLike<unknown>, (item) => scaled(item, scale));
  }
  const whole = BigInt(value as number | bigint);
  return scale.isTime ? timeText(whole, scale.digits) : new JsonText(decimalText(whole, scale.digits));
}

/** `12:34:56.5` */
function timeText(whole: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits);
  const seconds = whole / unit;
  const parts = [seconds / 3_600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => twoDigits(part));
  const fraction = `.${String(whole % unit).padStart(digits, '0')}`;
  return `${parts.join(':')}${fraction.replace(/\.?0*$/, '')}`;
}

const twoDigits = (part: bigint) => String(part).padStart(2, '0');

/** Two's complement, the highest byte first. */
function wholeOf(bytes: Uint8Array): bigint {
  const whole = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return BigInt.asIntN(8 * bytes.length, whole);
}

function decimalText(whole: bigint, scale: number): string {
  const digits = String(whole < 0n ? -whole : whole).padStart(scale + 1, '0');
  const point = digits.length - scale;
  const fraction = scale === 0 ? '' : `.${digits.slice(point)}`;
  return `${whole < 0n ? '-' : ''}${digits.slice(0, point)}${fraction}`;
}

/** A time that no calendar of ours has, such as infinity. */
class NoTime {
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** Bytes that should be text and are none. The library turns keys of maps into strings by `toString`. */
class TextBytes extends Uint8Array {
  override toString(): string {
    return textOf(this);
  }
}

/** Undefined for what JSON does not have: NaN, infinite numbers, and bytes that are not UTF-8. */
export function jsonOf(value: unknown): string | undefined {
  if (value instanceof JsonText) return value.text;
  if (value instanceof NoTime) return undefined;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? JSON.stringify(value) : undefined;
  if (value instanceof Uint8Array) return isUtf8(value) ? JSON.stringify(textOf(value)) : undefined;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const items = Array.from(value as ArrayLike<unknown>, (item) => jsonOf(item ?? null));
    return items.every((item) => item !== undefined) ? `[${items.join(',')}]` : undefined;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, item]) => [JSON.stringify(key), jsonOf(item ?? null)]);
    return members.every(([, item]) => item !== undefined)
      ? `{${members.map((member) => member.join(':')).join(',')}}`
      : undefined;
  }
  return JSON.stringify(value);
}

/** Why `jsonOf` has no text for `value`. */
export function problemOf(value: unknown): string {
  if (value instanceof NoTime) return `${shown(value)} is a time beyond those of a calendar; leave it empty`;
  return value instanceof Uint8Array
    ? `${excerpt(textOf(value))} has bytes that are not UTF-8`
    : `${shown(value)} is not a number of JSON, or has bytes that are not UTF-8`;
}

/** For messages, and for the record that keeps what was sent. */
export function shown(value: unknown): string {
  return value instanceof Uint8Array ? textOf(value) : String(value);
}

/** Keeps a byte order mark, and puts U+FFFD for bytes that are not UTF-8. */
const textOf = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

/** The format has infinity as the largest and the smallest number. */
function isoOf(milliseconds: bigint | number, fraction: string): string | NoTime {
  const time = new Date(Number(milliseconds));
  if (Number.isNaN(time.getTime())) return new NoTime(`${milliseconds < 0 ? '-' : ''}infinity`);
  return time.toISOString().replace(/\.\d{3}Z$/, `${fraction.replace(/\.?0*$/, '')}Z`);
}

/** Times and JSON as text, with all of their digits; text that is not UTF-8 as its bytes. */
export const parsers = {
  timestampFromMilliseconds: (at: bigint) => isoOf(at, `.${digitsOf(at, 1_000n, 3)}`),
  timestampFromMicroseconds: (at: bigint) => isoOf(floored(at, 1_000n), `.${digitsOf(at, 1_000_000n, 6)}`),
  timestampFromNanoseconds: (at: bigint) =>
    isoOf(floored(at, 1_000_000n), `.${digitsOf(at, 1_000_000_000n, 9)}`),
  dateFromDays: (days: number) => {
    const time = isoOf(days * 86_400_000, '');
    return time instanceof NoTime ? time : time.replace(/T.*$/, '');
  },
  stringFromBytes: (bytes: Uint8Array | undefined) => {
    if (bytes === undefined) return undefined;
    if (isUtf8(bytes)) return textOf(bytes);
    return new TextBytes(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  },
  jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && new JsonText(textOf(bytes)),
} as unknown as ParquetParsers;

const floored = (at: bigint, unit: bigint) => (at - (((at % unit) + unit) % unit)) / unit;
const digitsOf = (at: bigint, unit: bigint, digits: number) =>
  String(((BigInt(at) % unit) + unit) % unit).padStart(digits, '0');
