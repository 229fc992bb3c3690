import { z } from 'zod';
import { verifyStrictly } from '../../auth/ed25519.ts';
import { readPublicKeys } from '../../auth/public-keys.ts';
import { asOsaError, OsaError } from '../../error.ts';
import { canonicalJson } from '../../json/canonical.ts';
import { parseExactJson } from '../../json/exact.ts';
import { payloadType, preAuthentication, predicateType, statementType } from './receipt.ts';
import { rowDigest } from './row-digest.ts';

/** Verification of a receipt, without a server. */

const Envelope = z.strictObject({
  payload: z.string(),
  payloadType: z.literal(payloadType),
  signatures: z.tuple([z.strictObject({ keyid: z.string(), sig: z.string() })]),
});

const Statement = z.object({
  _type: z.literal(statementType),
  subject: z.tuple([z.object({ name: z.string(), digest: z.object({ sha256: z.string() }) })]),
  predicateType: z.literal(predicateType),
  predicate: z.object({
    issued_at: z.string(),
    row: z.object({
      name: z.string(),
      record: z.string(),
      hook: z.string(),
      ordinal: z.int(),
      values: z.record(z.string(), z.unknown()),
    }),
    /** The recalls when it was issued. */
    recalled: z.array(z.object({ id: z.string(), reason: z.string() })).optional(),
    record: z.object({ srn: z.string() }),
    run: z.object({
      id: z.string(),
      hook: z.string(),
      release: z.int(),
      ran_digests: z.array(z.string()),
    }),
    release: z.object({
      hook: z.string(),
      version: z.int(),
      digest: z.string(),
      source_ref: z.string(),
      built_by: z.string(),
    }),
  }),
});

export type Receipt = z.output<typeof Statement>;

const Keys = z.object({
  keys: z.array(z.object({ kid: z.string().optional(), retired_at: z.string().nullish() })),
});

/** A receipt that holds, and the key that signed it. */
export interface Verified {
  readonly receipt: Receipt;
  readonly keyId: string;
}

/**
 * Checks signature, digest of the values, and the chain from the row over its run to the release.
 *
 * @param keys the text of `/.well-known/osa-keys.json`, or of one public key
 * @throws OsaError `invalid`, with the reason; `credentials` for keys that are none
 */
export async function verifyReceipt(file: string, keys: string): Promise<Verified> {
  const envelope = parsed(Envelope, file, 'the file');
  if (`${canonicalJson(parseText(file, 'the file'))}\n` !== file) {
    throw refused('the file is not byte for byte as the archive writes receipts; get it again');
  }
  const [{ keyid, sig }] = envelope.signatures;
  const payload = fromBase64(envelope.payload, 'payload');
  const known = await readPublicKeys(keys, 'the keys');
  const key = known.find(({ kid }) => kid === keyid);
  if (!key) {
    throw refused(`it is signed with the key ${keyid}, which is not among the ${known.length} known keys`);
  }
  if (!verifyStrictly(key.key, preAuthentication(payload), fromBase64(sig, 'sig'))) {
    throw refused('the signature does not fit: the receipt was changed, or somebody else signed it');
  }
  const receipt = parsed(Statement, payload.toString('utf8'), 'the statement');
  requireChain(receipt);
  requireInTime(receipt, keys, keyid);
  return { receipt, keyId: keyid };
}

function requireChain({ subject: [subject], predicate: { row, record, run, release } }: Receipt): void {
  if (subject.digest.sha256 !== rowDigest(row)) throw refused('the digest is not that of the values');
  if (subject.name !== row.name || row.name.split('/')[0] !== row.hook || row.record !== record.srn) {
    throw refused('the row, its subject and its record are not the same');
  }
  if (run.hook !== row.hook || release.hook !== run.hook || release.version !== run.release) {
    throw refused('the run is not of the row and the release');
  }
  if (run.ran_digests.length === 0 || run.ran_digests.some((digest) => digest !== release.digest)) {
    throw refused('the run did not run the code of the release');
  }
}

/** A key that was retired signs nothing afterwards. */
function requireInTime({ predicate }: Receipt, keys: string, keyId: string): void {
  const set = Keys.safeParse(jsonOf(keys));
  const retired = set.data?.keys.find(({ kid }) => kid === keyId)?.retired_at;
  if (retired && Date.parse(predicate.issued_at) > Date.parse(retired)) {
    throw refused(`the key ${keyId} was retired at ${retired}, before the receipt was issued`);
  }
}

function fromBase64(text: string, name: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw refused(`${name} is not base64`);
  return bytes;
}

function parsed<T extends z.ZodType>(shape: T, text: string, what: string): z.output<T> {
  const result = shape.safeParse(parseText(text, what));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw refused(`${what} is not a receipt of osa (${issue?.path.join('.') || 'body'}: ${issue?.message})`);
}

function parseText(text: string, what: string): unknown {
  try {
    return parseExactJson(text);
  } catch (cause) {
    throw refused(`${what} is not JSON`, cause);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(why: string, cause?: unknown): OsaError {
  return new OsaError('invalid', `the receipt does not hold: ${why}`, {
    field: 'receipt',
    cause: asOsaError(cause) ?? cause,
  });
}
