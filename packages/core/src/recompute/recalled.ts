import { OsaError } from '../error.ts';
import type { StoredHook } from '../hook/registry.ts';
import type { WriteTransaction } from '../store.ts';
import { unknownRecall } from '../trace/recall/recalls.ts';
import { listed } from './listed.ts';
import type { Selection } from './recomputes.ts';

interface Request {
  readonly hook: StoredHook;
  readonly live: number;
  readonly recall: string;
  readonly convention: string | null;
  readonly releases: readonly number[] | undefined;
  readonly records: readonly string[] | undefined;
}

/**
 * The part of a hook that a recall selects: current rows of its releases, or of its record.
 *
 * @throws OsaError `not_found` (recall), `conflict` (it is closed, or the live release is recalled), `invalid` (with another
 * selection, or nothing of the hook is recalled)
 */
export async function recalledSelection(
  { recalls, recomputes }: WriteTransaction,
  { hook: { name }, live, recall, convention, releases: given, records }: Request,
): Promise<Selection> {
  const refusal = (code: 'conflict' | 'invalid', why: string) =>
    new OsaError(code, `recalled: ${why}`, { field: 'recalled', details: { recall } });
  if (given || records) {
    throw refusal('invalid', 'a recall says which rows are meant; leave releases and records out');
  }
  const part = await recalls.partOf(recall, name);
  if (!part) throw unknownRecall(recall, 'recalled');
  if (part.isClosed) throw refusal('conflict', `recall ${recall} is closed; name the releases instead`);
  if (part.releases.includes(live)) {
    throw refusal(
      'conflict',
      `v${live} of ${name} is live and recalled, so it would make such rows again; make another release live first, ` +
        `by \`osa hooks rollback ${name}\` or a new release`,
    );
  }
  const selected = { convention, withMissing: false, recall };
  if (part.srn !== null) {
    const list = await listed(recomputes, name, { records: [part.srn], convention });
    return { ...selected, releases: await recomputes.staleReleases(name, live), list };
  }
  if (part.releases.length > 0) return { ...selected, releases: part.releases, list: null };
  throw refusal(
    'invalid',
    `recall ${recall} selects nothing of ${name}; \`osa recall show ${recall}\` names its releases`,
  );
}
