import { arrayLiteral } from '../../array-literal.ts';
import { OsaError } from '../../error.ts';
import { decodeUtf8 } from '../../json/parse.ts';
import { FeatureReader, type FeatureRules } from './features.ts';
import { type FileLine, readLines } from './files.ts';
import type { OutputLimits, PlannedLine, RowPlan } from './judgement.ts';

export interface RowsTask {
  readonly directory: string;
  readonly rules: FeatureRules;
  readonly limits: OutputLimits;
  readonly plan: RowPlan;
  readonly rowsPerChunk: number;
}

/** A `RowChunk` with each row's record by its place in the batch. */
export interface RawChunk {
  readonly rowCount: number;
  readonly records: readonly number[];
  readonly ordinals: readonly number[];
  readonly columns: readonly string[];
}

/**
 * Reads `features.jsonl` again and gives the rows of the planned lines. A chunk is full at `rowsPerChunk` rows, or
 * when its texts are so long that one message with them would hold up its receiver.
 *
 * @throws OsaError `internal` when the file is not what was judged, `unavailable` when it cannot be read at present.
 */
export function* readRows(task: RowsTask): Generator<RawChunk, void> {
  try {
    yield* readPlan(task);
  } catch (error) {
    if (!(error instanceof OsaError) || error.code === 'unavailable' || error.code === 'internal')
      throw error;
    throw changed(error.message, error);
  }
}

function* readPlan({ directory, rules, limits, plan, rowsPerChunk }: RowsTask): Generator<RawChunk, void> {
  const reader = new FeatureReader(rules);
  const planned = new Map(plan.lines.map((line) => [line.line, line]));
  const chunk = new ChunkBuilder(rules.contract.columns.length, rowsPerChunk);
  let sha256: string | undefined;
  const budget = { bytes: limits.outputBytes, of: limits.outputBytes };
  const onEnd = (digest: string) => {
    sha256 = digest;
  };
  const reading = { directory, name: 'features.jsonl', lineBytes: limits.lineBytes, budget, onEnd } as const;
  for (const line of readLines(reading)) {
    const expected = planned.get(line.number);
    if (expected !== undefined) yield* readPlanned(reader, line, expected, chunk);
  }
  if (sha256 !== plan.sha256) throw changed('its SHA-256 is another one');
  if (chunk.rowCount > 0) yield chunk.take();
}

function* readPlanned(
  reader: FeatureReader,
  line: FileLine,
  { record, rowCount }: PlannedLine,
  chunk: ChunkBuilder,
): Generator<RawChunk, void> {
  const said = { id: undefined, problem: undefined, rowCount: 0 };
  let ordinal = 0;
  for (const cells of reader.rows(decodeUtf8(line.bytes), said)) {
    chunk.add(record, ordinal++, cells);
    if (chunk.isFull()) yield chunk.take();
  }
  if (said.problem !== undefined || ordinal !== rowCount) {
    throw changed(`line ${line.number} had ${rowCount} rows, then ${ordinal}`);
  }
}

function changed(how: string, cause?: unknown): OsaError {
  return new OsaError('internal', `features.jsonl changed between two readings: ${how}`, { cause });
}

/** UTF-16 units of all literals of a chunk. */
const chunkLength = 4 * 1024 * 1024;

class ChunkBuilder {
  private readonly columnCount: number;
  private readonly rowsPerChunk: number;
  private records: number[] = [];
  private ordinals: number[] = [];
  private columns: string[][];
  private length = 0;

  constructor(columnCount: number, rowsPerChunk: number) {
    this.columnCount = columnCount;
    this.rowsPerChunk = rowsPerChunk;
    this.columns = emptyColumns(columnCount);
  }

  get rowCount(): number {
    return this.records.length;
  }

  add(record: number, ordinal: number, cells: readonly string[]): void {
    this.records.push(record);
    this.ordinals.push(ordinal);
    for (const [index, cell] of cells.entries()) {
      this.columns[index]?.push(cell);
      this.length += cell.length + 1;
    }
  }

  isFull(): boolean {
    return this.rowCount >= this.rowsPerChunk || this.length >= chunkLength;
  }

  take(): RawChunk {
    const { rowCount, records, ordinals } = this;
    const columns = this.columns.map(arrayLiteral);
    this.records = [];
    this.ordinals = [];
    this.columns = emptyColumns(this.columnCount);
    this.length = 0;
    return { rowCount, records, ordinals, columns };
  }
}

function emptyColumns(count: number): string[][] {
  return Array.from({ length: count }, () => []);
}
