import type { Claim } from './queue.ts';

/** Keeps one hook from taking all of a worker: which hooks run over how many batches here, and what may be claimed. */
export interface HookSlots {
  /**
   * Claims by `take`, one after the other so that none is counted too late; it gets the hooks that have no slot left.
   * Takes a batch; it holds a slot of each of its hooks until `free`.
   */
  claim(take: (full: readonly string[]) => Promise<Claim | undefined>): Promise<Claim | undefined>;
  free(claim: Claim): void;
}

/** At most `perHook` batches of each hook at once. */
export function hookSlots(perHook: number): HookSlots {
  const taken = new Map<string, number>();
  let turn: Promise<unknown> = Promise.resolve();
  const count = (claim: Claim, by: 1 | -1) => {
    for (const { hook } of claim.runs) {
      const left = (taken.get(hook) ?? 0) + by;
      if (left === 0) taken.delete(hook);
      else taken.set(hook, left);
    }
  };
  return {
    claim(take) {
      const mine = turn.then(async () => {
        const full = [...taken].filter(([, batches]) => batches >= perHook).map(([hook]) => hook);
        const claim = await take(full);
        if (claim) count(claim, 1);
        return claim;
      });
      turn = mine.catch(() => undefined);
      return mine;
    },
    free: (claim) => count(claim, -1),
  };
}
