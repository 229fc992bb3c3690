import { createHash } from 'node:crypto';
import type { Sent } from '../invariants/model.ts';
import type { Client } from '../world/client.ts';
import { slug } from './plan.ts';

/** The file that a record comes with: a record with an even value has one, and its content is the record's own. */
export function fileOf({ source, value }: Sent): Buffer | undefined {
  if (typeof value !== 'number' || value < 0 || value % 2 !== 0) return undefined;
  return Buffer.from(`${source} ${value}\n`.repeat(500));
}

export function namedFile(bytes: Buffer): {
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
} {
  return { name: 'data.txt', sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
}

/** Sends a record's file in two parts, and goes on from wherever the daemons say that it ended. */
export async function sendFile(client: Client, record: Sent): Promise<void> {
  const bytes = fileOf(record);
  if (bytes === undefined) return;
  const { sha256, size } = namedFile(bytes);
  for (let offset = 0; ; ) {
    const end = offset === 0 ? Math.ceil(size / 2) : size;
    const { code, body } = await client.write({
      method: 'PUT',
      path: `/api/v1/conventions/${slug}/files/${sha256}?size=${size}&offset=${offset}`,
      type: 'application/octet-stream',
      body: bytes.subarray(offset, end),
      accept: ['conflict'],
      keyed: false,
      isPart: true,
    });
    if (body.stored === true) return;
    const found =
      code === 'conflict' ? (body.details as { received?: number }) : (body as { received?: number });
    offset = Number(found.received);
  }
}
