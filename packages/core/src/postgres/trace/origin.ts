import type { Database } from '../connection/connect.ts';

/** The span of the request that a batch came from, as `traceparent` spells it; null where none was kept. */
export async function originOfBatch(
  { sql }: Database,
  { ingestion, recompute }: { readonly ingestion: string | null; readonly recompute: string | null },
): Promise<string | null> {
  const [row] = await sql<{ traceparent: string | null }[]>`
    select coalesce((select traceparent from ingestions where id = ${ingestion}::text::uuid),
                    (select traceparent from recomputes where id = ${recompute}::text::uuid)) as traceparent`;
  return row?.traceparent ?? null;
}
