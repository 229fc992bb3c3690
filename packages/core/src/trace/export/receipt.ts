import { sign } from 'node:crypto';
import type { Answer } from '../../api/index.ts';
import type { SigningKey } from '../../auth/sign-token.ts';
import { canonicalJson } from '../../json/canonical.ts';
import { rowDigest } from './row-digest.ts';

/** Receipts: in-toto Statements v1 about one row, in a DSSE envelope that the archive signs. */

type RowTrace = Answer<'traceRow'>;

export const statementType = 'https://in-toto.io/Statement/v1';
export const predicateType = 'urn:osa:predicate:row-provenance:v1';
export const payloadType = 'application/vnd.in-toto+json';

export function statementOf(trace: RowTrace, issuedAt: string): object {
  const { row, record, run, release, hook } = trace;
  const subject = { record: record.srn, hook: hook.name, ordinal: row.ordinal, values: row.values };
  return {
    _type: statementType,
    subject: [{ name: row.name, digest: { sha256: rowDigest(subject) } }],
    predicateType,
    predicate: {
      issued_at: issuedAt,
      row: { name: row.name, current: row.current, ...subject },
      // The recalls when it was issued, as `current` is.
      ...(row.recalled.length > 0 && { recalled: row.recalled }),
      record: {
        srn: record.srn,
        convention: record.convention,
        source_id: record.source_id,
        schema: `${record.schema_id.id}@${record.schema_id.version}`,
        published_at: record.published_at,
      },
      run: {
        id: run.id,
        batch: run.batch,
        hook: hook.name,
        release: release.version,
        status: run.status,
        started_at: run.started_at,
        finished_at: run.finished_at,
        input_digest: run.input_digest,
        output_digest: run.output_digest,
        ran_digests: [...new Set(run.attempts.map((attempt) => attempt.resolved_digest))].filter(
          (digest) => digest !== null,
        ),
      },
      release: {
        hook: release.hook_name,
        version: release.version,
        runtime: release.runtime,
        image: release.image,
        digest: release.digest,
        command: release.command,
        config_digest: release.config_digest,
        source_ref: release.source_ref,
        built_by: release.built_by,
        built_at: release.built_at,
      },
    },
  };
}

/** A signed statement as the text of a file. It is canonical, so that a file with any other byte is refused. */
export function receiptOf(statement: object, { key, kid }: Pick<SigningKey, 'key' | 'kid'>): string {
  const payload = Buffer.from(canonicalJson(statement));
  const sig = sign(null, preAuthentication(payload), key).toString('base64');
  return `${canonicalJson({ payload: payload.toString('base64'), payloadType, signatures: [{ keyid: kid, sig }] })}\n`;
}

/** The signed bytes: DSSE v1's pre-authentication encoding of type and body. */
export function preAuthentication(payload: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `),
    payload,
  ]);
}
