import { bounds } from '../limits.ts';
import { cut } from '../text.ts';
import type { Claim, RunResult } from './queue.ts';

/** The end of a record over all hooks of its batch. */
export interface RecordEnd {
  /** The id of the batch record. */
  readonly id: string;
  readonly status: 'published' | 'rejected' | 'errored';
  readonly reason: string | null;
}

/**
 * A record is published when every hook passed it. Otherwise it is errored if one hook could not answer, since
 * another try may help, else rejected; the reason names each hook that did not pass it.
 */
export function recordEnds(claim: Claim, results: readonly RunResult[]): RecordEnd[] {
  return claim.records.map(({ id, sourceId }) => {
    const failures = results.flatMap((result) => {
      const verdict = result.output?.judgement.verdicts.get(sourceId);
      if (verdict?.status === 'passed') return [];
      const reason = verdict?.reason ?? result.reason ?? 'the hook gave no answer';
      return [{ status: verdict?.status ?? 'errored', reason: `${result.run.hook}: ${reason}` }];
    });
    if (failures.length === 0) return { id, status: 'published', reason: null };
    const status = failures.some((failure) => failure.status === 'errored') ? 'errored' : 'rejected';
    const reason = failures.map((failure) => failure.reason).join('; ');
    return { id, status, reason: cut(reason, bounds.reasonLength) };
  });
}
