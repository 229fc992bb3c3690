import { mapInTurns } from '../in-turns.ts';
import { parseExactJson } from './exact.ts';

/** An answer as the JSON text that is sent, with the number of rows in it. */
export class WrittenAnswer {
  readonly text: string;
  readonly rows: number;
  constructor(text: string, rows: number) {
    this.text = text;
    this.rows = rows;
  }
}

/** Between the rows that the database writes: no JSON text holds it. */
export const rowMark = '\u0001';

/**
 * Rows that PostgreSQL wrote as JSON, with `rowMark` between them, as the elements of a JSON array. Nearly all are as
 * `JSON.stringify` writes them. Only doubles with an exponent, and -0, have another spelling; their rows are written again.
 */
export async function spelledRows(rows: string, wanted?: AbortSignal): Promise<string> {
  if (!otherSpelling.test(rows)) return rows.replaceAll(rowMark, ',');
  const spelled = (row: string) => (otherSpelling.test(row) ? JSON.stringify(parseExactJson(row)) : row);
  return (await mapInTurns(rows.split(rowMark), spelled, wanted)).join(',');
}

/** A value with an exponent, as PostgreSQL writes it, or -0. Some texts look like one, which costs time only. */
const otherSpelling = /[:[,]\s*-?(?:\d[\d.]*[eE]|0(?![\d.])(?<=-0))/;
