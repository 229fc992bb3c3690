import type postgres from 'postgres';
import { OsaError } from '../../error.ts';
import { translate } from './sqlstate.ts';

/**
 * A tagged template for SQL, and the helpers that go into its holes.
 *
 * A statement runs when it is awaited, not before. One that is put into another one's hole is a fragment of it.
 * Values: int8 and numeric come back as strings, since JavaScript's numbers end at 2^53; json and jsonb parsed;
 * timestamptz as RFC 3339 text in UTC, to the microsecond; bytea as Buffer. Arrays are sent by the type of their first element,
 * so give `array` the element's oid where that says nothing (booleans, an empty array).
 * COPY, cursors and transaction control (`begin`, `commit`, `set` for the session) are not offered.
 */
export interface Sql {
  <T extends readonly (object | undefined)[] = postgres.Row[]>(
    template: TemplateStringsArray,
    ...holes: readonly Hole[]
  ): postgres.PendingQuery<T>;
  /** An identifier, a list of them, the values of `in`, or rows to insert or update. */
  (
    first: string | object | readonly (string | number | bigint | object)[],
    ...columns: readonly string[]
  ): postgres.Helper<unknown, string[]>;
  /** SQL as a string. Never put anybody's input into it. Without parameters it may hold several statements. */
  unsafe<T extends readonly (object | undefined)[] = postgres.Row[]>(
    text: string,
    parameters?: readonly unknown[],
    options?: { readonly prepare?: boolean },
  ): postgres.PendingQuery<T>;
  json(value: unknown): postgres.Parameter;
  array(values: readonly unknown[], elementOid?: number): postgres.ArrayParameter;
  typed(value: unknown, oid: number): postgres.Parameter;
}

export type Hole = postgres.ParameterOrFragment<bigint>;

/** The facts that the server gave when the connection was opened. */
export interface Backend {
  readonly pid: number;
  readonly secret: number;
}

/** The parts of the driver's query that its types do not show, and that this layer stands on. */
export interface Statement extends Promise<postgres.RowList<postgres.Row[]>> {
  /** Called once, when the statement is first awaited. It must not throw. */
  handler: (statement: Statement) => void;
  resolve: (rows: postgres.RowList<postgres.Row[]>) => void;
  reject: (error: unknown) => void;
  readonly strings: readonly string[];
  readonly executed: boolean;
  /** Set when it was put into another statement. */
  readonly fragment?: true;
  readonly streaming?: true;
  /** The server's side of the connection that it was sent on. */
  readonly state?: Backend;
  readonly cursorFn?: unknown;
}

/**
 * The tag whose statements go to `made` instead of the driver's own pool. `maker` is a driver that never connects:
 * it only builds statements.
 */
export function sqlTag(maker: postgres.Sql, made: (statement: Statement) => void): Sql {
  const build = maker as unknown as (...parts: readonly unknown[]) => unknown;
  const call = (first: unknown, ...rest: readonly unknown[]): unknown => {
    const value = build(first, ...rest);
    if (isTemplate(first)) {
      made(value as Statement);
    }
    return value;
  };
  const unsafe = (text: string, parameters: readonly unknown[] = [], options: object = {}): unknown => {
    const statement = makeUnsafe(maker, text, parameters, options);
    made(statement);
    return statement;
  };
  const { json, array, typed } = maker;
  return Object.assign(call, { unsafe, json, array, typed }) as unknown as Sql;
}

/**
 * `query`, planned each time that it runs, with its values: for statements of so many shapes that their plans would fill the
 * memory of the session.
 */
export function planAnew<T extends readonly (object | undefined)[]>(
  query: postgres.PendingQuery<T>,
): postgres.PendingQuery<T> {
  (query as unknown as { readonly options: { prepare?: boolean } }).options.prepare = false;
  return query;
}

/** A statement from text, which belongs to nobody until its handler is set. */
export function makeUnsafe(
  maker: postgres.Sql,
  text: string,
  parameters: readonly unknown[] = [],
  options: object = {},
): Statement {
  return maker.unsafe(text, [...parameters] as never[], options) as unknown as Statement;
}

/**
 * Calls `settled` when the statement ends, with its error if it failed, and rejects with what `settled` makes of
 * it. It does not count as handling the error.
 */
export function whenSettled(statement: Statement, settled: (error?: unknown) => unknown): void {
  const { resolve, reject } = statement;
  let ended = false;
  const once = (end: () => void): void => {
    if (!ended) {
      ended = true;
      end();
    }
  };
  statement.resolve = (rows) =>
    once(() => {
      settled();
      resolve(rows);
    });
  statement.reject = (error) => once(() => reject(settled(translate(error))));
}

/** The refusal of a kind of statement that the driver leaves unsettled when it fails, or undefined. */
export function notOffered(statement: Statement): OsaError | undefined {
  return statement.streaming === true || statement.cursorFn !== undefined
    ? new OsaError(
        'internal',
        'COPY and cursors are not offered, since an error in them is never reported. Use unnest, or pages by key.',
      )
    : undefined;
}

function isTemplate(value: unknown): boolean {
  return Array.isArray(value) && 'raw' in value;
}
