import { v7 as uuid7 } from 'uuid';
import type { Answer } from '../../api/index.ts';
import { requireRights } from '../../auth/scope.ts';
import { OsaError } from '../../error.ts';
import type { Minting, MintingBase, MintOutcome, Said } from '../../hook/registry.ts';
import type { Writer } from '../../store.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import { inProgress, otherRequest } from './stored-answers.ts';

/**
 * One statement, which locks the hook; it is a function of the database, since it must look again once it has the
 * lock. It looks for an answer under the writer's key, and stores its own. Undefined, and nothing is done, for a principal
 * who is not an actor yet.
 *
 * @throws OsaError `in_progress`, `idempotency_mismatch`, and `access_denied` for a stored answer that took more rights
 */
export async function mintRelease(
  sql: Sql,
  { principal, request, idempotency }: Writer,
  minting: Minting,
): Promise<MintOutcome | undefined> {
  const { hook, content, fingerprint, live, reason, seen, carriesDigest, seenReleases, expected } = minting;
  const { runtime, image, digest, config, limits } = content;
  const command = content.command === null ? null : JSON.stringify(content.command);
  const { issuer, subject, tokenId: jti = null } = principal;
  const accepted = request ? sql.json({ ...request, jti, outcome: 'accepted' }) : null;
  const told = minting.told ? sql.json({ hook, live, request_id: request?.request_id ?? null }) : null;
  const [row] = await sql<MintRow[]>`
    select * from mint_release(
      wanted => ${hook}, seen => ${seen}, carries_digest => ${carriesDigest}, seen_releases => ${seenReleases},
      expected_seq => ${expected.expected_live_seq ?? null},
      expected_version => ${expected.expected_live_version ?? null},
      new_id => ${uuid7()}, new_runtime => ${runtime}, new_image => ${image}, new_digest => ${digest},
      new_command => ${command}::text::jsonb, new_config => ${sql.json(config)}::jsonb,
      new_limits => ${sql.json(limits)}::jsonb, new_fingerprint => ${fingerprint},
      new_source_ref => ${content.source_ref}, by_issuer => ${issuer}, by_subject => ${subject},
      goes_live => ${live}, why => ${reason}, told => ${told}::jsonb, accepted => ${accepted}::jsonb,
      by_key => ${idempotency?.key ?? null}, by_request => ${idempotency?.requestDigest ?? null},
      by_rights => ${arrayText([...(principal.used ?? [])])}::text::text[])`;
  if (!row) throw new OsaError('internal', `hook ${hook}: minting a release had no answer`);
  const { outcome, live_seq, live_version, answer, rights, ...made } = row;
  if (outcome === 'stranger') return undefined;
  if (outcome === 'in_progress') throw inProgress(idempotency?.key ?? '');
  if (outcome === 'mismatch') throw otherRequest(idempotency?.key ?? '');
  if (outcome === 'answered') {
    requireRights(principal, rights);
    return { outcome, answer };
  }
  if (outcome !== 'minted' && outcome !== 'known') return { outcome, live_seq, live_version };
  const isLive = live_version === made.version;
  const release = { hook_name: hook, digest, ...made, live: isLive, is_live: isLive, live_seq, live_version };
  return { outcome, release };
}

interface MintRow {
  readonly outcome: MintOutcome['outcome'] | 'stranger' | 'in_progress' | 'mismatch';
  readonly version: number;
  readonly id: string;
  readonly source_ref: string;
  readonly built_at: string;
  readonly live_seq: number | null;
  readonly live_version: number | null;
  /** The answer under the key `answered`. */
  readonly answer: Answer<'release'>;
  readonly rights: readonly string[];
}

export async function mintingBase(sql: Sql, hook: string, said: Said): Promise<MintingBase | undefined> {
  const [row] = await sql<MintingBase[]>`
    select to_jsonb(live) as live, to_jsonb(known) as known, h.release_count as "releaseCount"
    from hooks h
    left join lateral (
      select ${content(sql)} from releases r where r.hook = h.name and r.version = h.live_version) live on true
    left join lateral (
      select ${content(sql)} from releases r
      where r.hook = h.name and r.digest = coalesce(${said.digest ?? null}, live.digest) ${agreeing(sql, said)}
      order by r.version = h.live_version desc nulls last, r.version desc limit 1) known on true
    where h.name = ${hook}`;
  return row;
}

function content(sql: Sql) {
  return sql`r.version, r.runtime, r.image, r.digest, r.command, r.config, r.limits, r.source_ref`;
}

/** The conditions under which a release `r` agrees with all that was said; limits are compared in base units. */
function agreeing(sql: Sql, { runtime, command, config, set, limits }: Said) {
  const { timeout_seconds: seconds, cpu_millicores: millicores, memory_bytes: bytes } = limits;
  return sql`
    ${runtime === undefined ? sql`` : sql`and r.runtime = ${runtime}`}
    ${command === undefined ? sql`` : sql`and r.command = ${sql.json(command)}::jsonb`}
    ${config === undefined ? sql`` : sql`and r.config = ${sql.json(config)}::jsonb`}
    ${
      set === undefined
        ? sql``
        : sql`and not exists (
            select from jsonb_each(${sql.json(set)}::jsonb) s where r.config -> s.key is distinct from s.value)`
    }
    ${seconds === undefined ? sql`` : sql`and (r.limits ->> 'timeout_seconds')::numeric = ${seconds}`}
    ${millicores === undefined ? sql`` : sql`and round((r.limits ->> 'cpu')::numeric * 1000) = ${millicores}`}
    ${
      bytes === undefined
        ? sql``
        : sql`and round(substring(r.limits ->> 'memory' from '^[0-9.]+')::numeric
            * case lower(substring(r.limits ->> 'memory' from '^[0-9.]+(.)'))
                when 'k' then 1024 when 'm' then 1048576 when 'g' then 1073741824 else 1 end) = ${bytes}`
    }`;
}
