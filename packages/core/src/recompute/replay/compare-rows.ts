import { createHash, type Hash } from 'node:crypto';
import type { FeatureContract } from '../../hook/hook.ts';
import type { Cells, Certificate, RowRange, StoredResult, StoredRow } from './replays.ts';

/** Values that are named of each result. */
const mostExamples = 10;

/** Characters of a value that is named. */
const exampleLength = 1_000;

/** The outcome of a result, and its rows as JSON texts. */
interface Answer {
  readonly status: string;
  readonly reason: string | null;
}

/**
 * The rows of one result, stored and made, as they come by: a digest of each side, and where they differ. Values are
 * compared as the database spells them. It spells two values alike only if all of their bits are the same.
 */
export class RowComparison {
  readonly result: StoredResult;
  private readonly hook: string;
  private readonly columnNames: readonly string[];
  private readonly stored: Hash;
  private made: Hash | undefined;
  private readonly differing: number[] = [];
  private readonly columns = new Set<string>();
  private readonly examples: Certificate['examples'] = [];
  private added = 0;

  constructor(hook: string, { columns }: FeatureContract, result: StoredResult) {
    this.hook = hook;
    this.columnNames = columns.map(({ name }) => name);
    this.result = result;
    this.stored = digestOf(result);
  }

  /** Says which outcome the record had. Call it before the rows. */
  answer(answer: Answer): void {
    this.made = digestOf(answer);
  }

  /** The next row on each side; undefined on one of them where it has no more. */
  add(stored: StoredRow | undefined, made: Cells | undefined): void {
    if (stored) this.stored.update(lineOf(stored.cells));
    if (made) this.made?.update(lineOf(made));
    const ordinal = this.added;
    this.added += 1;
    const row = stored ? `${this.hook}/${stored.id}` : null;
    let differs = stored === undefined || made === undefined;
    for (const [index, column] of this.columnNames.entries()) {
      const [before, after] = [stored?.cells[index] ?? null, made?.[index] ?? null];
      if (before === after) continue;
      differs = true;
      this.columns.add(column);
      if (this.examples.length < mostExamples) {
        this.examples.push({ row, ordinal, column, stored: short(before), made: short(after) });
      }
    }
    if (differs) this.differing.push(ordinal);
  }

  /** The next stored rows that have not come by, at most so many. */
  left(most: number): RowRange | undefined {
    const { outcome, rowCount } = this.result;
    const first = this.added;
    return first < rowCount ? { outcome, first, last: Math.min(rowCount, first + most) - 1 } : undefined;
  }

  conclude() {
    return {
      storedDigest: this.stored.digest('hex'),
      madeDigest: this.made?.digest('hex') ?? null,
      differing: this.differing.length === this.added ? null : this.differing,
      columns: this.columnNames.filter((name) => this.columns.has(name)),
      examples: this.examples,
    };
  }
}

/** SHA-256 over a line with the outcome, and a line for each row: JSON arrays of the values' JSON texts. */
function digestOf({ status, reason }: Answer): Hash {
  return createHash('sha256').update(`${JSON.stringify([status, reason])}\n`);
}

function lineOf(cells: Cells): string {
  return `${JSON.stringify(cells)}\n`;
}

function short(text: string | null): string | null {
  return text === null || text.length <= exampleLength ? text : `${text.slice(0, exampleLength)}…`;
}
