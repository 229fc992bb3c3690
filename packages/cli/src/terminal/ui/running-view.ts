import type { Output } from '../output.ts';
import { line, yellow } from '../paint.ts';
import type { ProgressView } from './ingest-progress.tsx';

/** Off a terminal a line comes at most this often, in milliseconds: soon at first, then more and more rarely. */
const firstLineMs = 5_000;
const rarestLineMs = 60_000;

/** Lines about something that goes on. */
export interface ProgressLines {
  /** Says something else than the line before. Work that ends at once needs no line. */
  say(text: string): void;
  /** Says each reason once, and at once. */
  warn(reasons: readonly string[]): void;
}

export function progressLines(
  output: Pick<Output, 'note'>,
  now: () => number = () => performance.now(),
): ProgressLines {
  let last = now();
  let waitMs = firstLineMs;
  let shown = '';
  const told = new Set<string>();
  return {
    say(text) {
      if (now() - last < waitMs || text === shown) return;
      [last, shown, waitMs] = [now(), text, Math.min(waitMs * 1.5, rarestLineMs)];
      output.note(text);
    },
    warn(reasons) {
      const news = reasons.filter((reason) => !told.has(reason));
      for (const reason of news) told.add(reason);
      if (news.length > 0) output.note(...news.map((reason) => line`${yellow('!')} ${reason}`));
    },
  };
}

export interface RunningView<T> {
  show(found: T): void;
  end(): Promise<void>;
}

/** Shows something of the server that goes on: moving on a terminal, lines now and then elsewhere. */
export async function openRunningView<T extends { readonly reasons: readonly string[] }>(
  output: Output,
  title: string,
  { viewOf, summaryOf }: { viewOf(found: T): ProgressView; summaryOf(found: T): string },
): Promise<RunningView<T>> {
  if (output.animated) {
    const { openProgress } = await import('./ingest-progress.tsx');
    const screen = openProgress({ title, isRunning: true, share: undefined, counts: [], notes: [] });
    return { show: (found) => screen.show(viewOf(found)), end: () => screen.end() };
  }
  const lines = progressLines(output);
  return {
    show(found) {
      lines.warn(found.reasons);
      lines.say(summaryOf(found));
    },
    end: async () => undefined,
  };
}

/** `1,707 received, 0 invalid, 1,679 passed, …` in one line. */
export function countsText(counts: ProgressView['counts']): string {
  return counts.map(([name, shown]) => `${shown} ${name}`).join(', ');
}
