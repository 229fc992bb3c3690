import { OsaError } from '../error.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { ListedRecord, RecomputeWrites } from './recomputes.ts';

const mostNamed = 5;

/**
 * The records that were named one by one, each once, however many of its versions were named.
 *
 * @throws OsaError `not_found`, `invalid`: nothing is done where one of them is not a published record of the hook
 */
export async function listed(
  recomputes: RecomputeWrites,
  hook: string,
  { records, convention }: { readonly records: readonly string[]; readonly convention: string | null },
): Promise<readonly ListedRecord[]> {
  const strange = records.findIndex((given) => parseRecordSrn(given) === undefined);
  if (strange >= 0) {
    throw new OsaError(
      'invalid',
      `records[${strange}]: "${records[strange]}" is not the SRN of a record, such as urn:osa:localhost:rec:abc@1`,
      { field: `records[${strange}]` },
    );
  }
  const wanted = [...new Set(records.map((given) => given.trim().toLowerCase()))];
  const there = await recomputes.locate(wanted);
  const known = new Set(there.map(({ srn }) => srn));
  refuse(
    wanted.filter((srn) => !known.has(srn)),
    'not published here',
    'not_found',
  );
  const other = there.filter((record) => convention !== null && record.convention !== convention);
  refuse(
    other.map(({ srn }) => srn),
    `not of ${convention}`,
    'invalid',
  );
  for (const slug of new Set(there.map((record) => record.convention))) {
    if (await recomputes.isHookOf(hook, slug)) continue;
    const foreign = there.filter((record) => record.convention === slug);
    refuse(
      foreign.map(({ srn }) => srn),
      `of ${slug}, over which ${hook} does not run`,
      'invalid',
    );
  }
  return [...new Map(there.map((record) => [`${record.convention} ${record.sourceId}`, record])).values()];
}

function refuse(srns: readonly string[], what: string, code: 'not_found' | 'invalid'): void {
  if (srns.length === 0) return;
  const named = srns.slice(0, mostNamed).join(', ');
  const more = srns.length > mostNamed ? `, and ${srns.length - mostNamed} more` : '';
  const many = srns.length === 1 ? 'this record is' : `these ${srns.length} records are`;
  throw new OsaError(code, `records: ${many} ${what}: ${named}${more}; nothing was started`, {
    field: 'records',
    details: { count: srns.length, records: srns.slice(0, 100) },
  });
}
