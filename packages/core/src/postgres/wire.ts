import type postgres from 'postgres';
import type { Sql } from './connection/connect.ts';

/** Forms that values have on the wire where a statement itself builds the JSON. */

type Expression = postgres.PendingQuery<postgres.Row[]>;

/** A time as the driver reads it, for where it is a part of JSON: there PostgreSQL writes UTC as `+00:00`. */
export function utc(sql: Sql, time: Expression) {
  return sql`replace(to_jsonb(${time}) #>> '{}', '+00:00', 'Z')`;
}

/** A SHA-256 that is stored as hex; null where there is none. */
export function digest(sql: Sql, hex: Expression) {
  return sql`'sha256:' || ${hex}`;
}
