import type { Answer } from '@osa/core/api';
import type { Client } from '../../http/client.ts';
import { flagText } from './query.ts';
import type { Where } from './where.ts';

/** Pages of records and rows. A query with a filter is sent in a body, since an address has no room for a long one. */

interface Query {
  readonly convention?: string;
  readonly history: boolean;
  readonly where: Where | undefined;
  readonly sort?: string;
  readonly as_of?: string;
}

interface Page {
  readonly limit: number;
  readonly cursor?: string;
}

export function askRecords(
  client: Client,
  schema: string,
  { where, history, ...rest }: Query & Page,
): Promise<Answer<'readRecords'>> {
  const params = { schema };
  if (!where) return client.call('readRecords', { params, query: { ...rest, history: flagText(history) } });
  const body = { ...rest, history, filter: where.filter };
  return client.call('queryRecords', { params, body, repeatable: true });
}

export function askRows(
  client: Client,
  params: { readonly schema: string; readonly feature: string },
  { where, history, ...rest }: Query & Page & { readonly release?: number },
): Promise<Answer<'readRows'>> {
  if (!where) return client.call('readRows', { params, query: { ...rest, history: flagText(history) } });
  const body = { ...rest, history, filter: where.filter };
  return client.call('queryRows', { params, body, repeatable: true });
}
