import { nullElement } from '../../array-literal.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import type { JsonCursor } from '../../json/cursor.ts';
import { excerptOfSource } from '../../text.ts';
import { type Cell, cellOf } from './cell.ts';
import { describeColumn, type Line, LineMembers, malformedMessage } from './line.ts';

export interface FeatureLine extends Line {
  rowCount: number;
}

export interface FeatureRules {
  readonly hook: string;
  readonly contract: FeatureContract;
  /** Column names that belong to osa and to PostgreSQL. */
  readonly reserved: readonly string[];
  readonly rowsPerRecord: number;
}

/** Reads the lines of `features.jsonl`: `{"id": …, "features": [row, …]}`; other keys of the line are ignored. */
export class FeatureReader {
  private readonly rules: FeatureRules;
  private readonly columns: readonly (Cell & { readonly name: string })[];
  private readonly indexes: ReadonlyMap<string, number>;
  private readonly required: readonly number[];
  /** The elements of the row that is read, in the contract's order. */
  private readonly cells: string[];
  /** The row that set each column last, by its number among all rows ever read: a column may be set once a row. */
  private readonly setBy: Float64Array;
  private rowsRead = 0;
  /** Where the reader stands: the row of the line, from 1, and the column; for messages. */
  private row = 0;
  private column: string | undefined;

  constructor(rules: FeatureRules) {
    const { columns, open_text } = rules.contract;
    this.rules = rules;
    this.columns = columns.map((column) => ({ name: column.name, ...cellOf(column, { open_text }) }));
    this.indexes = new Map(columns.map((column, index) => [column.name, index]));
    this.required = columns.flatMap((column, index) => (column.required ? [index] : []));
    this.cells = columns.map(() => nullElement);
    this.setBy = new Float64Array(columns.length);
  }

  /** Checks a whole line. */
  check(text: string): FeatureLine {
    const line: FeatureLine = { id: undefined, problem: undefined, rowCount: 0 };
    const rows = this.rows(text, line);
    while (!rows.next().done);
    return line;
  }

  /**
   * The rows of a line, up to the first that is wrong; each as elements of array literals in the contract's order.
   * `line` tells all about the line when the walk has ended. A row is valid until the next one is asked for.
   */
  *rows(text: string, line: FeatureLine): Generator<readonly string[], void> {
    this.row = 0;
    this.column = undefined;
    try {
      let found = false;
      const members = new LineMembers(text, line);
      for (let key = members.next(); key !== undefined; key = members.next()) {
        if (key === 'features') {
          found = true;
          yield* this.features(members.cursor, line);
        } else members.cursor.value();
      }
      this.row = 0;
      if (!found) line.problem ??= 'features is missing';
      else line.problem ??= this.cardinalityProblem(line.rowCount);
    } catch (error) {
      line.problem ??= this.at(malformedMessage(error));
    }
  }

  private *features(cursor: JsonCursor, line: FeatureLine): Generator<readonly string[], void> {
    const none = this.columns.length === 0;
    const kind = cursor.kind();
    if (kind !== 'array') {
      const source = excerptOfSource(cursor.raw());
      if (!none || kind === 'object') line.problem ??= `features is ${source}, not an array of rows`;
      return;
    }
    for (let more = cursor.enterArray(); more; more = cursor.moreElements()) {
      this.row++;
      this.rowsRead++;
      this.column = undefined;
      if (line.problem !== undefined) {
        cursor.value();
        continue;
      }
      const problem = this.readRow(cursor);
      line.problem = problem && this.at(problem);
      if (none || problem !== undefined) continue;
      line.rowCount++;
      yield this.cells;
    }
    this.row = 0;
  }

  /** Reads one element of `features` into `cells`; the answer is what is wrong with it. */
  private readRow(cursor: JsonCursor): string | undefined {
    const { rowsPerRecord } = this.rules;
    const kind = cursor.kind();
    if (kind !== 'object') {
      const source = excerptOfSource(cursor.raw());
      const isNothing = this.columns.length === 0 && kind !== 'array';
      return isNothing ? undefined : `${source} is not an object`;
    }
    this.cells.fill(nullElement);
    let problem = this.row > rowsPerRecord ? `a record has at most ${rowsPerRecord} rows` : undefined;
    for (let more = cursor.enterObject(); more; more = cursor.moreMembers()) {
      this.column = cursor.key();
      const wrong = this.readCell(this.column, cursor);
      problem ??= wrong;
    }
    this.column = undefined;
    return problem ?? this.missingProblem();
  }

  private readCell(name: string, cursor: JsonCursor): string | undefined {
    const index = this.indexes.get(name);
    const column = index === undefined ? undefined : this.columns[index];
    if (index === undefined || column === undefined) {
      cursor.value();
      return this.unknownProblem(name);
    }
    if (this.setBy[index] === this.rowsRead) cursor.refuseTwin(name);
    this.setBy[index] = this.rowsRead;
    if (cursor.kind() === 'null') {
      cursor.null();
      return undefined;
    }
    const start = cursor.position;
    const element = column.read(cursor);
    if (element === undefined)
      return `${describeColumn(name)}: ${excerptOfSource(cursor.since(start))} ${column.rule}`;
    this.cells[index] = element;
    return undefined;
  }

  private missingProblem(): string | undefined {
    const missing = this.required.find((index) => this.cells[index] === nullElement);
    const column = missing === undefined ? undefined : this.columns[missing];
    return column && `${describeColumn(column.name)} is required, but is null or absent`;
  }

  private unknownProblem(name: string): string {
    return this.rules.reserved.includes(name)
      ? `${describeColumn(name)} is reserved: provenance comes from osa, not from a hook`
      : `${describeColumn(name)} is not in the contract of hook ${this.rules.hook}`;
  }

  private cardinalityProblem(rowCount: number): string | undefined {
    const { cardinality, columns } = this.rules.contract;
    if (cardinality === 'many' || columns.length === 0 || rowCount === 1) return undefined;
    return `the cardinality is one, but there are ${rowCount} rows`;
  }

  /** `problem` with the row and the column where the reader stands. */
  private at(problem: string): string {
    const column = this.column === undefined ? '' : `${describeColumn(this.column)}: `;
    return this.row === 0 ? problem : `row ${this.row}: ${column}${problem}`;
  }
}
