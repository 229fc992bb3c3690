import { fingerprint, type ReleaseContent, sha256 } from '../../hook/release.ts';
import { canonicalJson } from '../../json/canonical.ts';
import type { Transaction } from '../connection/connect.ts';
import { type Check, type Fault, mostFaults } from './faults.ts';

/** The digests that the database keeps beside what they are of, computed once more. */

const pageSize = 500;

/** A release's fingerprint is over all that decides a result; see `fingerprint`. */
export async function releaseFaults(tx: Transaction): Promise<readonly Fault[]> {
  type Row = ReleaseContent & { readonly id: string; hook: string; version: number; fingerprint: string };
  const page = (after: string) => tx<Row[]>`
    select id, hook, version, runtime, image, digest, command, config, limits, source_ref, fingerprint
    from releases where id > ${after}::uuid order by id limit ${pageSize}`;
  return collect(page, (row) =>
    fingerprint(row) === row.fingerprint
      ? undefined
      : {
          of: 'releases',
          name: `${row.hook} v${row.version}`,
          problem: 'its digest, command, config or limits are not those of its fingerprint',
        },
  );
}

export async function deployFaults(tx: Transaction): Promise<readonly Fault[]> {
  type Row = { readonly id: string; slug: string; manifest: unknown; manifest_digest: string };
  const page = (after: string) => tx<Row[]>`
    select id, slug, manifest, manifest_digest from deploys
    where id > ${after}::uuid order by id limit ${pageSize}`;
  return collect(page, (row) =>
    sha256(canonicalJson(row.manifest)) === row.manifest_digest
      ? undefined
      : {
          of: 'deploys',
          name: `${row.id} of ${row.slug}`,
          problem: 'its manifest is not that of its digest',
        },
  );
}

async function collect<T extends { readonly id: string }>(
  page: (after: string) => PromiseLike<readonly T[]>,
  faultOf: (row: T) => Fault | undefined,
): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const rows = await page(after);
    faults.push(...rows.flatMap((row) => faultOf(row) ?? []));
    const last = rows.at(-1);
    if (last === undefined || faults.length > mostFaults) return faults;
    after = last.id;
  }
}

/** The content digest of what came in, where it could be read; see `recordReader`. */
export async function contentCheck(tx: Transaction): Promise<Check> {
  const [files] = await tx<{ exists: boolean }[]>`select to_regclass('record_files') is not null as exists`;
  // The digest of a record with files also covers their names and digests, which only the reader of uploads spells.
  const withoutFiles = files?.exists
    ? 'and not exists (select from record_files f where f.batch_record = b.id)'
    : '';
  return {
    of: 'batch_records',
    sql: `
      select format('%s of %s, line %s of ingestion %s', b.source_id, a.convention, b.line, i.id) as name,
        'its metadata is not that of its digest' as problem
      from batch_records b
      join batches a on a.id = b.batch
      join ingestions i on i.id = a.ingestion
      where b.status <> 'invalid' ${withoutFiles}
        and b.content_digest <> sha256(convert_to(
          '{"files":[],"metadata":' || b.metadata::text || ',"schema":"' || i.schema_id || '@' || i.schema_version || '"}', 'UTF8'))`,
  };
}
