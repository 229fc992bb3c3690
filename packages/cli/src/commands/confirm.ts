import { OsaError } from '@osa/core/error';
import type { Context } from '../command.ts';

interface Question {
  /** Names what would be done, for those who cannot be asked. */
  readonly about: string;
  readonly question: string;
}

/**
 * Asks once on a terminal. Without one it is `usage`, with what is about to happen.
 *
 * @throws OsaError `usage`, `interrupted`
 */
export async function confirm(context: Context, { about, question }: Question): Promise<boolean> {
  requireTerminal(context, { about });
  const isAgreed = await ask(context, question);
  if (!isAgreed) context.output.note('nothing was changed');
  return isAgreed;
}

/** @throws OsaError `usage` where nobody can be asked: a script that leaves out --yes fails on its first day */
export function requireTerminal(
  { output }: Context,
  {
    about,
    pass = 'pass --yes',
    details,
  }: { readonly about: string; readonly pass?: string; readonly details?: Record<string, unknown> },
): void {
  if (output.interactive) return;
  throw new OsaError(
    'usage',
    `${about}: this is not a terminal, so osa cannot ask for confirmation; ${pass}`,
    {
      field: 'yes',
      ...(details && { details }),
    },
  );
}

/** @throws OsaError `interrupted` */
export async function ask({ signal, stdin }: Context, question: string): Promise<boolean> {
  const terminal = await import('../terminal/ui/ask.tsx');
  return terminal.ask({ question, signal, stdin });
}
