import type { Answer } from '../../api/index.ts';
import type { SigningKey } from '../../auth/sign-token.ts';

/** The archive's own keys, which sign receipts and nothing else. */
export interface Attestation {
  /** The key that signs; undefined where the operator has made none. */
  current(): Promise<SigningKey | undefined>;
  /** The public halves of all, the retired ones too, since their receipts stay. */
  published(): Promise<Answer<'attestationKeys'>['keys']>;
}
