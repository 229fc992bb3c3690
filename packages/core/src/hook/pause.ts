import type { Answer } from '../api/index.ts';
import { requireScope } from '../auth/scope.ts';
import type { Store, Writer } from '../store.ts';
import { unknownHook } from './hook.ts';

/**
 * Pauses a hook: once this has answered, no batch is claimed that the hook would run over. Batches that run by then
 * end as they would. A hook that is paused stays so, with the reason of the first time.
 *
 * @throws OsaError `not_found`, `access_denied`
 */
export async function pauseHook(
  store: Store,
  writer: Writer,
  hook: string,
  { reason = null }: { readonly reason?: string | null | undefined },
): Promise<Answer<'pauseHook'>> {
  return setPause(store, writer, hook, { reason });
}

/** Ends the pause of a hook; without one nothing changes. @throws OsaError `not_found`, `access_denied` */
export async function resumeHook(store: Store, writer: Writer, hook: string): Promise<Answer<'resumeHook'>> {
  return setPause(store, writer, hook, null);
}

async function setPause(
  store: Store,
  writer: Writer,
  hook: string,
  pause: { readonly reason: string | null } | null,
): Promise<Answer<'pauseHook'>> {
  requireScope(writer.principal, 'hooks:write', hook);
  return store.write(writer, async ({ registry, event }) => {
    const answer = await registry.setPause(hook, pause);
    if (!answer) throw unknownHook(hook);
    if (answer.changed) await event(pause ? 'hook.paused' : 'hook.resumed', { hook, ...pause });
    return answer;
  });
}
