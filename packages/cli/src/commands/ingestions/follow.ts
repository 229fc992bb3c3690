import { setTimeout as wait } from 'node:timers/promises';
import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import { duration, time } from '../../terminal/format.ts';
import { green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs } from '../../terminal/table.ts';
import { pauseLine } from '../pause.ts';
import { countsOf, type Progress, secondsOf } from './progress.ts';

type Ingestion = Answer<'showIngestion'>;

/** Polls begin quickly, for the small ingestion, and slow down. Milliseconds. */
const firstPollMs = 100;
const slowestPollMs = 1_000;
/** A server that restarts is waited for; the ingestion survives it. */
const patienceMs = 60_000;

/**
 * Waits until nothing of the ingestion is left to run, through pauses too.
 *
 * @throws OsaError `interrupted`; the ingestion itself goes on, and the message says how to look at it.
 */
export async function follow(
  client: Client,
  { id }: { readonly id: string },
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<Ingestion> {
  let lastAnswer = performance.now();
  try {
    for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
      const ingestion = await look(client, id, lastAnswer);
      if (ingestion) {
        lastAnswer = performance.now();
        progress.running(ingestion);
        if (!isOpen(ingestion)) return ingestion;
      }
      await wait(pollMs, undefined, { signal });
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new OsaError('interrupted', `interrupted; the ingestion goes on: osa ingestions show ${id}`, {
      details: { id },
      cause,
    });
  }
}

export function isOpen({ status }: Pick<Ingestion, 'status'>): boolean {
  return status === 'running' || status === 'paused';
}

/** The ingestion, or undefined while the server is away and has not been for long. */
async function look(client: Client, id: string, lastAnswer: number): Promise<Ingestion | undefined> {
  try {
    return await client.call('showIngestion', { params: { id } });
  } catch (error) {
    const code = asOsaError(error)?.code;
    const isAway = code === 'unreachable' || code === 'unavailable';
    if (isAway && performance.now() - lastAnswer < patienceMs) return undefined;
    throw error;
  }
}

/**
 * How an ingestion ended, and where to look next; `began` is the start of a retry that was waited for. Otherwise the time
 * of one that was retried is when it ended, since the time since its upload says nothing.
 */
export function ingestionLines(ingestion: Ingestion, { began }: { readonly began?: string } = {}): Line[] {
  const { id, status, convention_id, schema_id, reasons, invalid, rejected, errored } = ingestion;
  const colour = status === 'completed' ? green : isOpen(ingestion) ? yellow : red;
  const failed = invalid + rejected + errored;
  return [
    line`ingestion ${id}: ${colour(status)} ${timeOf(ingestion, began)}, ${convention_id}, schema ${schema_id.id}@${schema_id.version}`,
    ...countLines(ingestion),
    ...(ingestion.paused ? [line`  ${pauseLine(ingestion.paused)}; osa ingestions resume ${id}`] : []),
    ...reasons.map((reason) => line`  ${yellow('!')} ${reason}`),
    ...(failed > 0 ? [`see what failed: osa ingestions show ${id} --failed`] : []),
  ];
}

function timeOf(ingestion: Ingestion, began: string | undefined): string {
  const { retried, started_at, finished_at } = ingestion;
  if (began === undefined && retried > 0 && finished_at !== null) return `at ${time(finished_at)}`;
  return `after ${duration(secondsOf({ started_at: began ?? started_at, finished_at }))}`;
}

function countLines(ingestion: Ingestion): Line[] {
  const counts = countsOf(ingestion);
  const width = Math.max(...counts.map(([, shown]) => shown.length));
  return pairs(
    counts.map(([name, shown, isBad]) => [name, isBad ? red(shown.padStart(width)) : shown.padStart(width)]),
  );
}

/** 1 when the ingestion failed as a whole; records that failed are an answer and no failure of the command. */
export function exitCodeFor({ status }: Ingestion): number {
  return status === 'failed' || status === 'cancelled' ? 1 : 0;
}
