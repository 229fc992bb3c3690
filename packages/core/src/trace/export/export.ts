import type { ParsedParams } from '../../api/index.ts';
import type { Principal } from '../../auth/principal.ts';
import { OsaError } from '../../error.ts';
import type { NodeIdentity } from '../../record/srn.ts';
import type { Store } from '../../store.ts';
import { traceRow } from '../trace.ts';
import type { Attestation } from './attestation.ts';
import { runEvents } from './openlineage.ts';
import { provDocument } from './prov.ts';
import { receiptOf, statementOf } from './receipt.ts';
import { roCrate } from './ro-crate.ts';

/**
 * The provenance of one row in the form of a standard, as the text of a file.
 *
 * @throws OsaError `not_found`; `unavailable` for a receipt where the archive has no attestation key
 */
export async function exportRow(
  store: Store,
  principal: Principal | undefined,
  { hook, id, format }: ParsedParams<'exportRow'>,
  { domain, attestation }: NodeIdentity & { readonly attestation: Attestation },
): Promise<string> {
  const trace = await traceRow(store, principal, { hook, id });
  const pretty = (document: unknown) => `${JSON.stringify(document, null, 2)}\n`;
  switch (format) {
    case 'prov-jsonld':
      return pretty(provDocument(trace));
    case 'ro-crate': {
      const convention = await store.registry.convention(trace.record.convention);
      return pretty(roCrate(trace, convention?.license ?? null));
    }
    case 'openlineage':
      return pretty(runEvents(trace, `osa://${domain}`));
    case 'in-toto': {
      const key = await attestation.current();
      if (key) return receiptOf(statementOf(trace, new Date().toISOString()), key);
      throw new OsaError(
        'unavailable',
        'this archive has no attestation key, so it signs no receipts; its operator makes one with: osad keys attestation',
      );
    }
  }
}
