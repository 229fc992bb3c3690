import type { Answer } from '@osa/core/api';
import { bounds } from '@osa/core/limits';
import { time } from '../terminal/format.ts';
import { type Line, line, yellow } from '../terminal/paint.ts';
import { text } from '../terminal/parse.ts';

/** Hooks and ingestions are paused alike. */

export const reasonOption = {
  reason: {
    short: 'm',
    value: 'TEXT',
    description: 'reason, shown in the history',
    parse: text(bounds.reasonLength),
  },
} as const;

type Pause = NonNullable<Answer<'showHook'>['paused']>;

/** `paused since 2026-03-01 03:04:05 UTC by ci: wrong units`. */
export function pauseLine({ at, by, reason }: Pause): Line {
  const why = reason === null ? '' : `: ${reason}`;
  return line`${yellow('paused')} since ${time(at)} by ${by.subject}${why}`;
}

/** The line for a request that found nothing to change. */
export function unchangedLines({ changed }: { readonly changed: boolean }, found: string): Line[] {
  return changed ? [] : [line`${yellow('!')} it ${found} before, so nothing was changed`];
}

export function hookPauseLines({ hook_name: hook, changed, paused }: Answer<'pauseHook'>): Line[] {
  if (paused) {
    return [
      line`${hook}: ${changed ? '' : 'is '}${pauseLine(paused)}`,
      ...unchangedLines({ changed }, 'was paused'),
    ];
  }
  return [changed ? `${hook}: resumed` : `${hook}: was not paused; nothing was changed`];
}
