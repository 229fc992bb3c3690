import { v7 as uuid7 } from 'uuid';
import { OsaError } from '../../error.ts';
import type { LiveContent, Minting, MintOutcome } from '../../hook/registry.ts';
import type { Writer } from '../../store.ts';
import type { Sql } from '../connection/connect.ts';

/**
 * One statement, which locks the hook; it is a function of the database, since it must look again once it has the
 * lock. Undefined, and nothing is done, for a principal who is no actor yet.
 */
export async function mintRelease(
  sql: Sql,
  { principal, request }: Omit<Writer, 'idempotency'>,
  minting: Minting,
): Promise<MintOutcome | undefined> {
  const { hook, content, fingerprint, live, reason, seen, carriesDigest, expected } = minting;
  const { runtime, image, digest, config, limits } = content;
  const command = content.command === null ? null : JSON.stringify(content.command);
  const { issuer, subject, tokenId: jti = null } = principal;
  const accepted = request ? sql.json({ ...request, jti, outcome: 'accepted' }) : null;
  const told = minting.told ? sql.json({ hook, live }) : null;
  const [row] = await sql<MintRow[]>`
    select * from mint_release(
      ${hook}, ${seen}, ${carriesDigest}, ${expected.expected_live_seq ?? null}, ${expected.expected_live_version ?? null},
      ${uuid7()}, ${runtime}, ${image}, ${digest}, ${command}::text::jsonb, ${sql.json(config)}::jsonb,
      ${sql.json(limits)}::jsonb, ${fingerprint}, ${content.source_ref}, ${issuer}, ${subject},
      ${live}, ${reason}, ${told}::jsonb, ${accepted}::jsonb)`;
  if (!row) throw new OsaError('internal', `hook ${hook}: minting a release had no answer`);
  const { outcome, live_seq, live_version, ...made } = row;
  if (outcome === 'stranger') return undefined;
  if (outcome !== 'minted' && outcome !== 'known') return { outcome, live_seq, live_version };
  const isLive = live_version === made.version;
  const release = { hook_name: hook, digest, ...made, live: isLive, is_live: isLive, live_seq, live_version };
  return { outcome, release };
}

interface MintRow {
  readonly outcome: MintOutcome['outcome'] | 'stranger';
  readonly version: number;
  readonly id: string;
  readonly source_ref: string;
  readonly built_at: string;
  readonly live_seq: number | null;
  readonly live_version: number | null;
}

export async function liveContent(sql: Sql, hook: string): Promise<LiveContent | null | undefined> {
  const [row] = await sql<(LiveContent | { readonly version: null })[]>`
    select r.version, r.runtime, r.image, r.digest, r.command, r.config, r.limits, r.source_ref
    from hooks h left join releases r on r.hook = h.name and r.version = h.live_version where h.name = ${hook}`;
  return row?.version === null ? null : row;
}
