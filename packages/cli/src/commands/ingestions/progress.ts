import type { Answer } from '@osa/core/api';
import { visible } from '@osa/core/text';
import { bytes, count, duration, secondsBetween } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import type { ProgressView } from '../../terminal/ui/ingest-progress.tsx';
import { countsText, progressLines } from '../../terminal/ui/running-view.ts';

type Ingestion = Answer<'showIngestion'>;

/** Shows how far an ingestion is: moving on a terminal, plain lines at a bounded rate elsewhere. */
export interface Progress {
  /** Bytes of local files hashed so far, and of how many if that is known. */
  reading(read: number, total: number | undefined): void;
  /** Bytes sent so far, of how many if that is known, and the share of all work, which the bytes say otherwise. */
  uploading(sent: number, total: number | undefined, share?: number): void;
  /** All bytes are sent, and the server reads them. */
  checking(sent: number): void;
  running(ingestion: Ingestion): void;
  /** The server does not answer. */
  away(text: string): void;
}

/** Between two views of bytes on their way, in milliseconds. */
const drawMs = 100;

/**
 * Shows progress while `work` goes on, and leaves the terminal in order whatever becomes of it. With `isTyped` somebody
 * types on the terminal, so nothing moves there.
 */
export async function withProgress<T>(
  output: Output,
  isTyped: boolean,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  if (!output.animated || isTyped) return work(lineProgress(output));
  const { openProgress } = await import('../../terminal/ui/ingest-progress.tsx');
  const screen = openProgress(uploadView('waiting'));
  try {
    let last = uploadView('waiting');
    let drawnAt = Number.NEGATIVE_INFINITY;
    // Pieces of a file come faster than a screen can be drawn.
    const moved = (viewNow: () => ProgressView) => {
      if (performance.now() - drawnAt < drawMs) return;
      screen.show(viewNow());
      drawnAt = performance.now();
    };
    return await work({
      reading: (read, total) => moved(() => uploadView(readingText(read, total), shareOf(read, total))),
      uploading: (sent, total, share = shareOf(sent, total)) =>
        moved(() => uploadView(uploadText(sent, total, share), share)),
      checking: (sent) => screen.show(uploadView(checkingText(sent))),
      running: (ingestion) => {
        last = viewOf(ingestion);
        screen.show(last);
      },
      away: (text) => screen.show({ ...last, notes: [...last.notes, text] }),
    });
  } finally {
    await screen.end();
  }
}

export function lineProgress(output: Pick<Output, 'note'>, now?: () => number): Progress {
  const { say, warn } = progressLines(output, now);
  return {
    reading: (read, total) => say(readingText(read, total)),
    uploading: (sent, total, share = shareOf(sent, total)) => say(uploadText(sent, total, share)),
    checking: (sent) => say(checkingText(sent)),
    away: (text) => output.note(text),
    running: (ingestion) => {
      warn(ingestion.reasons);
      say(countsText(countsOf(ingestion)));
    },
  };
}

function readingText(read: number, total: number | undefined): string {
  return total ? `reading files: ${bytes(read)} of ${bytes(total)}` : `reading files: ${bytes(read)}`;
}

function shareOf(done: number, total: number | undefined): number | undefined {
  return total ? done / total : undefined;
}

function uploadText(sent: number, total: number | undefined, share: number | undefined): string {
  const all = total ? ` of ${bytes(total)}` : '';
  const percent = share === undefined ? '' : `, ${Math.floor(100 * share)} %`;
  return `uploading: ${bytes(sent)}${all} sent${percent}`;
}

function checkingText(sent: number): string {
  return `${bytes(sent)} sent; checking on the server`;
}

function uploadView(title: string, share?: number): ProgressView {
  return { title, isRunning: true, share, counts: [], notes: [] };
}

/** Counts of the records, and of their rows. */
export function countsOf(ingestion: Ingestion): ProgressView['counts'] {
  const { records, invalid, published, rejected, errored, unchanged, rows } = ingestion;
  return [
    ['received', count(records), false],
    ['invalid', count(invalid), invalid > 0],
    ['passed', count(published), false],
    ['rejected', count(rejected), false],
    ['errored', count(errored), errored > 0],
    ['unchanged', count(unchanged), false],
    ['rows', count(rows), false],
  ];
}

function viewOf(ingestion: Ingestion): ProgressView {
  const { records, pending, convention_id, status, reasons } = ingestion;
  return {
    title: `${visible(convention_id)}: ${status}, ${duration(secondsOf(ingestion))}`,
    isRunning: status === 'running' || status === 'paused',
    share: records === 0 ? undefined : (records - pending) / records,
    counts: countsOf(ingestion),
    notes: reasons.map(visible),
  };
}

export function secondsOf({
  started_at,
  finished_at,
}: Pick<Ingestion, 'started_at' | 'finished_at'>): number {
  return Math.max(0, secondsBetween(started_at, finished_at ?? new Date().toISOString()) ?? 0);
}
