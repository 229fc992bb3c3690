import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError } from '@osa/core/error';
import type { Context } from '../command.ts';
import { line, yellow } from '../terminal/paint.ts';

const againMs = 500;
const patienceMs = 60_000;

/**
 * Repeats `call` for a minute while another transaction holds what it needs, and says what that is.
 *
 * @throws OsaError `busy` after that, `interrupted`, and what `call` throws
 */
export async function untilFree<T>({ output, signal }: Context, call: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + patienceMs;
  const told = new Set<string>();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const busy = asOsaError(error);
      if (busy?.code !== 'busy' || performance.now() > deadline) throw error;
      const { waits_for: what = busy.message } = busy.details;
      if (!told.has(String(what)))
        output.note(line`${yellow('!')} waits: another transaction holds ${String(what)}`);
      told.add(String(what));
      await wait(againMs, undefined, { signal }).catch(() => {
        throw busy;
      });
    }
  }
}
