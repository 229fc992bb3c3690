import type { Answer } from '@osa/core/api';
import { writtenRows } from '@osa/core/data/read';
import { parseExactJson } from '@osa/core/json/exact';

/** Rows of a feature, as a client reads the answer. */
export async function readRows(...query: Parameters<typeof writtenRows>): Promise<Answer<'readRows'>> {
  return parseExactJson((await writtenRows(...query)).text) as Answer<'readRows'>;
}
