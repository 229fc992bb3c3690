import type { Answer } from '@osa/core/api';
import { visible } from '@osa/core/text';
import { count, duration, secondsBetween } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { line, yellow } from '../../terminal/paint.ts';
import type { ProgressView } from '../../terminal/ui/ingest-progress.tsx';

type Ingestion = Answer<'showIngestion'>;

/** Shows how far an ingestion is: moving on a terminal, plain lines at a bounded rate elsewhere. */
export interface Progress {
  /** Bytes read so far, and of how many if that is known. */
  uploading(sent: number, total: number | undefined): void;
  running(ingestion: Ingestion): void;
}

/** Off a terminal a line comes at most this often, in milliseconds. */
const lineEveryMs = 5_000;

/** Shows progress while `work` goes on, and leaves the terminal in order whatever becomes of it. */
export async function withProgress<T>(output: Output, work: (progress: Progress) => Promise<T>): Promise<T> {
  if (!output.animated) return work(lineProgress(output));
  const { openProgress } = await import('../../terminal/ui/ingest-progress.tsx');
  const screen = openProgress(uploadView(undefined));
  try {
    return await work({
      uploading: (sent, total) => screen.show(uploadView(total ? sent / total : undefined)),
      running: (ingestion) => screen.show(viewOf(ingestion)),
    });
  } finally {
    await screen.end();
  }
}

function lineProgress(output: Output): Progress {
  // The first line waits too: what is done at once needs no progress.
  let last = performance.now();
  const told = new Set<string>();
  const say = (text: () => string) => {
    if (performance.now() - last < lineEveryMs) return;
    last = performance.now();
    output.note(text());
  };
  return {
    uploading: (sent, total) =>
      say(() => `uploading: ${count(sent)}${total ? ` of ${count(total)}` : ''} bytes`),
    running: (ingestion) => {
      const news = ingestion.reasons.filter((reason) => !told.has(reason));
      for (const reason of news) told.add(reason);
      if (news.length > 0) output.note(...news.map((reason) => line`${yellow('!')} ${reason}`));
      say(() => summaryText(ingestion));
    },
  };
}

function uploadView(share: number | undefined): ProgressView {
  return { title: 'uploading', isRunning: true, share, counts: [], notes: [] };
}

/** `1,707 in, 0 invalid, 1,679 passed, …` in one line. */
function summaryText(ingestion: Ingestion): string {
  return countsOf(ingestion)
    .map(([name, shown]) => `${shown} ${name}`)
    .join(', ');
}

/** What came of the records, and their rows. */
export function countsOf(ingestion: Ingestion): ProgressView['counts'] {
  const { records, invalid, published, rejected, errored, unchanged, rows } = ingestion;
  return [
    ['in', count(records), false],
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
