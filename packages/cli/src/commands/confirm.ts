import { OsaError } from '@osa/core/error';
import type { Context } from '../command.ts';

/**
 * Asks once on a terminal. Without one it is `usage`, with what is about to happen.
 *
 * @throws OsaError `usage`, `interrupted`
 */
export async function confirm(
  { output, signal, stdin }: Context,
  { about, question }: { readonly about: string; readonly question: string },
): Promise<boolean> {
  if (!output.interactive) {
    throw new OsaError(
      'usage',
      `${about}: this is not a terminal, so osa cannot ask for confirmation; pass --yes`,
      { field: 'yes' },
    );
  }
  const { ask } = await import('../terminal/ui/ask.tsx');
  const agreed = await ask({ question, signal, stdin });
  if (!agreed) output.note('nothing was changed');
  return agreed;
}
