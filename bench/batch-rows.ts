import { arrayLiteral, quoteElement } from '@osa/core/array-literal';
import type { Column, FeatureContract } from '@osa/core/hook/hook';
import { sha256 } from '@osa/core/hook/release';
import type { OutputReader, RowChunk, Verdict } from '@osa/core/run/output/judgement';
import type { Claim } from '@osa/core/run/queue';

/** The rows of one batch: made once, and written by both sides of the benchmark. */
export interface BatchRows {
  readonly recordIds: readonly string[];
  readonly rowsPerRecord: number;
  /** By column of `contract`, then by row; the rows of a record stand together, in the order of `recordIds`. */
  readonly columns: readonly (readonly string[])[];
}

export const rowsPerBatch = 10_000;

const column = (name: string, json_type: Column['json_type'], format?: Column['format']): Column => ({
  name,
  json_type,
  format,
  required: true,
});

/** Six columns of the types that most hooks have. */
export const contract: FeatureContract = {
  kind: 'table',
  cardinality: 'many',
  columns: [
    column('distance_km', 'number'),
    column('energy_j', 'number'),
    column('station_count', 'integer'),
    column('place', 'string'),
    column('is_felt', 'boolean'),
    column('observed_at', 'string', 'date-time'),
  ],
};

/** Random rows for the records of batch `index`. Numbers have as many digits as doubles have on average. */
export function makeRows(
  index: number,
  recordsPerBatch: number,
  rowsPerRecord = rowsPerBatch / recordsPerBatch,
): BatchRows {
  const rows = recordsPerBatch * rowsPerRecord;
  const digits = (value: number, width: number) => String(value).padStart(width, '0');
  const recordIds = Array.from({ length: recordsPerBatch }, (_, i) => `s${digits(index, 5)}-${digits(i, 5)}`);
  const fill = (cell: () => string) => Array.from({ length: rows }, cell);
  const start = Date.UTC(2020, 0, 1);
  return {
    recordIds,
    rowsPerRecord,
    columns: [
      fill(() => String(Math.random() * 20_000)),
      fill(() => String(Math.random() * 1e15)),
      fill(() => String(Math.floor(Math.random() * 500))),
      fill(() => `${Math.floor(Math.random() * 300)} km NNW of place ${Math.floor(Math.random() * 1e6)}`),
      fill(() => (Math.random() < 0.5 ? 'true' : 'false')),
      fill(() => new Date(start + Math.floor(Math.random() * 1e11)).toISOString()),
    ],
  };
}

/** The checked output that holds `rows`, encoded as the reader of real output gives them. */
export function outputOf(claim: Claim, rows: BatchRows): OutputReader {
  const { recordIds, rowsPerRecord } = rows;
  if (claim.records.some(({ sourceId }, index) => sourceId !== recordIds[index])) {
    throw new Error(`batch ${claim.batch} is not the one that these rows were made for`);
  }
  const verdict: Verdict = { status: 'passed', rowCount: rowsPerRecord };
  const chunk = encode(rows);
  return {
    judgement: {
      verdicts: new Map(recordIds.map((id) => [id, verdict])),
      outputDigest: sha256(claim.batch),
      rowCount: chunk.rowCount,
      strayLines: 0,
      strayExamples: [],
      failure: null,
      open: [],
    },
    async *rows({ rowsPerChunk }) {
      if (rowsPerChunk < chunk.rowCount) throw new RangeError(`chunks of ${rowsPerBatch} rows are prepared`);
      yield chunk;
    },
  };
}

function encode({ recordIds, rowsPerRecord, columns }: BatchRows): RowChunk {
  const rowCount = recordIds.length * rowsPerRecord;
  return {
    rowCount,
    recordIds: recordIds.flatMap((id) => Array.from({ length: rowsPerRecord }, () => id)),
    ordinals: Array.from({ length: rowCount }, (_, row) => row % rowsPerRecord),
    columns: columns.map((cells, index) => {
      const isText = contract.columns[index]?.json_type === 'string';
      return arrayLiteral(isText ? cells.map(quoteElement) : cells);
    }),
  };
}
