import { OsaError } from '../error.ts';
import type { SourceLine } from './record-line.ts';

/** The first line without the byte order mark that some editors write. */
export function withoutMark(line: SourceLine): SourceLine {
  return startsWith(line.bytes, [0xef, 0xbb, 0xbf]) ? { ...line, bytes: line.bytes.subarray(3) } : line;
}

/**
 * Refuses an upload that is not NDJSON as a whole, by its first line: each of its lines would be refused too, and none
 * of them would say why.
 *
 * @throws OsaError `malformed`
 */
export function requireNdjson({ line, bytes }: SourceLine): void {
  const flaw = flawOf(bytes);
  if (flaw === undefined) return;
  throw new OsaError('malformed', `line ${line}: ${flaw}`, { details: { line } });
}

function flawOf(bytes: Uint8Array): string | undefined {
  const known = signatures.find(([signature]) => startsWith(bytes, signature));
  if (known) return known[1];
  const start = Buffer.from(bytes.subarray(0, 100)).toString('latin1').trim();
  if (start.startsWith('[')) {
    return "the records are a JSON array; write one object on each line, such as with: jq -c '.[]' FILE";
  }
  if (start === '{' && bytes.length <= 100) {
    return 'a record goes over several lines; write each one on a line of its own, such as with: jq -c . FILE';
  }
  return undefined;
}

const signatures: readonly (readonly [bytes: readonly number[], flaw: string])[] = [
  [
    [0x1f, 0x8b],
    'the records are compressed with gzip; send them as text: zcat FILE | osa ingest CONVENTION -',
  ],
  [
    [0x28, 0xb5, 0x2f, 0xfd],
    'the records are compressed with zstd; send them as text: zstdcat FILE | osa ingest CONVENTION -',
  ],
  [[0x50, 0x4b, 0x03, 0x04], 'this is a zip archive or a spreadsheet; send the records as NDJSON'],
  [[0x50, 0x41, 0x52, 0x31], 'this is a Parquet file; send the records as NDJSON'],
  [[0xff, 0xfe], 'the text is UTF-16; save it as UTF-8'],
  [[0xfe, 0xff], 'the text is UTF-16; save it as UTF-8'],
];

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, index) => bytes[index] === byte);
}
