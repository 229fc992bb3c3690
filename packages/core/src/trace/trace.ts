import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { hideAnswers, hideConfig } from '../auth/visibility.ts';
import { OsaError } from '../error.ts';
import { HookName } from '../hook/hook.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { Store } from '../store.ts';

/**
 * The story of one row: which release made it, in which run, from which record. Readers of runs see the release's
 * config; everybody sees its digest.
 *
 * @throws OsaError `not_found`
 */
export async function traceRow(
  store: Store,
  principal: Principal | undefined,
  { hook, id }: { readonly hook: string; readonly id: number },
): Promise<Answer<'traceRow'>> {
  const trace = HookName.safeParse(hook).success ? await store.tracer.row(hook, id) : undefined;
  if (!trace) {
    throw new OsaError(
      'not_found',
      `no row ${hook}/${id}: there is no hook ${hook}, or it has no published row with this id`,
      {
        details: { hook, id },
      },
    );
  }
  return {
    ...trace,
    run: { ...trace.run, attempts: hideAnswers(trace.run.attempts, principal, hook) },
    release: hideConfig(trace.release, principal, hook),
  };
}

/** @throws OsaError `not_found`, `invalid` for what is not an SRN */
export async function traceRecord(store: Store, text: string): Promise<Answer<'traceRecord'>> {
  if (!parseRecordSrn(text)) {
    throw new OsaError('invalid', `srn: ${JSON.stringify(text)} is not urn:osa:<domain>:rec:<id>@<version>`, {
      field: 'srn',
    });
  }
  const trace = await store.tracer.record(text.trim().toLowerCase());
  if (!trace)
    throw new OsaError('not_found', `no record is published as ${text}`, { details: { srn: text } });
  return trace;
}
