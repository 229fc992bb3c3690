import type { Answer } from '../../api/index.ts';
import type { Principal } from '../../auth/principal.ts';
import { OsaError } from '../../error.ts';
import type { StoredHook } from '../../hook/registry.ts';
import type { NewRecompute, Recompute, RecomputeWrites } from '../../recompute/recomputes.ts';
import type { Transaction } from '../connection/connect.ts';
import { waitingFor, waitingForAll } from '../lock-wait.ts';
import { lockOpen, stopRecompute, takeTurn } from '../queue/end.ts';
import { batchesChannel } from '../queue/lease.ts';
import { useIndexLookups } from '../queue/plans.ts';
import { setPauseOf } from '../registry/pause.ts';
import { retryErrored } from './again.ts';
import { countSelection, createRecompute, isHookOf, locate, staleReleases } from './create.ts';
import { recomputeView } from './reads.ts';

/** The writes of recomputes, within one transaction of one actor. */
export function recomputeWrites(tx: Transaction, actor: number, principal: Principal): RecomputeWrites {
  return {
    staleReleases: (hook, live) => staleReleases(tx, hook, live),
    locate: async (srns) => {
      await useIndexLookups(tx);
      return locate(tx, srns);
    },
    isHookOf: (hook, convention) => isHookOf(tx, hook, convention),
    count: async (hook, selection) => {
      await useIndexLookups(tx);
      return countSelection(tx, hook, selection);
    },
    create: (hook, request) => create(tx, { actor, principal }, hook, request),
    view: (id) => view(tx, id),
    hookOf: async (id) => {
      const [row] = await tx<{ hook: string }[]>`select hook from recomputes where id = ${id}`;
      return row?.hook;
    },
    setPause: (id, pause) => setPauseOf(tx, actor, 'recompute', { id, pause }),
    cancel: (id, reason) => cancel(tx, id, reason),
    retry: (id) => retry(tx, id),
  };
}

/** The answer is read again where something holds the recompute up; else all of it is known. */
async function create(
  tx: Transaction,
  who: { readonly actor: number; readonly principal: Principal },
  hook: StoredHook,
  request: NewRecompute,
): Promise<Recompute> {
  const made = await createRecompute(tx, who, hook, request);
  const isHeldUp = hook.isPaused || request.claimed.some(({ version }) => request.releases.includes(version));
  return isHeldUp ? view(tx, made.id) : made;
}

async function view(tx: Transaction, id: string): Promise<Recompute> {
  const found = await recomputeView(tx, id);
  if (!found) throw new OsaError('internal', `recompute ${id} was stored and is not there`);
  return found;
}

function turn(tx: Transaction, id: string): Promise<void> {
  return waitingFor(tx, `recompute ${id}, which is cut, retried or cancelled`, () => takeTurn(tx, id));
}

async function cancel(tx: Transaction, id: string, reason: string): Promise<boolean> {
  await turn(tx, id);
  await useIndexLookups(tx);
  const [row] = await tx<{ open: boolean }[]>`
    select finished_at is null as open from recomputes where id = ${id}`;
  if (!row?.open) return false;
  const open = await waitingForAll(tx, `a batch of recompute ${id}, which is claimed or written`, () =>
    lockOpen(tx, id),
  );
  await stopRecompute(tx, id, { open, reason, isCancelled: true });
  return true;
}

/** A recompute that had finished is open again, until the new batches have ended; one that was stopped goes on where it was. */
async function retry(tx: Transaction, id: string): Promise<Answer<'retryRecompute'>> {
  await turn(tx, id);
  await useIndexLookups(tx);
  const [row] = await tx<{ batch_size: number }[]>`select batch_size from recomputes where id = ${id}`;
  const counted = await retryErrored(tx, { id, batchSize: row?.batch_size ?? 1 });
  const opened = await tx`
    update recomputes c
    set finished_at = null, stopped_at = null, stop_reason = null, cancelled = false,
        cut_at = case when w.is_left then null else cut_at end
    from (select exists (select from recompute_walks where recompute = ${id} and done_at is null) as is_left) w
    where c.id = ${id} and (${counted.retried > 0} or w.is_left and c.cut_at is not null)
    returning id`;
  if (opened.length > 0) await tx`select pg_notify(${batchesChannel}, '')`;
  return { id, ...counted, goes_on: opened.length > 0 };
}
