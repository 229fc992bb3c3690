import { setTimeout as wait } from 'node:timers/promises';
import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import { count, duration, time } from '../../terminal/format.ts';
import { green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs } from '../../terminal/table.ts';
import { pauseLine } from '../pause.ts';
import { countsOf, type Progress, secondsOf } from './progress.ts';
import type { Waited } from './verdict.ts';

type Ingestion = Answer<'showIngestion'>;

/** Polls begin quickly, for the small ingestion, and slow down. Milliseconds. */
const firstPollMs = 100;
const slowestPollMs = 1_000;
/** A server that restarts is waited for, and so are workers; the ingestion survives it. */
const patienceMs = 60_000;
/** For a release that none of the running workers can start: others may be about to come up. */
const unstartablePatienceMs = 5_000;

export interface FollowOptions {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** How long to wait; without it until the end. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Waits until nothing of the ingestion is left to run, through pauses too, or no running worker can start what is left.
 *
 * @throws OsaError `interrupted`, or what the server answers. The ingestion itself goes on: each message says how to look
 * at it, and `details.id` is its id.
 */
export async function follow(
  client: Client,
  { id }: { readonly id: string },
  options: FollowOptions,
): Promise<Waited> {
  try {
    return await poll(client, id, options);
  } catch (cause) {
    const goesOn = `the ingestion is stored and goes on: osa ingestions show ${id}`;
    if (options.signal.aborted) {
      throw new OsaError('interrupted', `interrupted; ${goesOn}`, { details: { id }, cause });
    }
    const known = asOsaError(cause);
    if (!known) throw cause;
    const { code, message, field, details } = known;
    throw new OsaError(code, `${message}; ${goesOn}`, { field, details: { ...details, id }, cause });
  }
}

async function poll(
  client: Client,
  id: string,
  { progress, signal, timeoutMs = Number.POSITIVE_INFINITY }: FollowOptions,
): Promise<Waited> {
  const began = performance.now();
  let lastAnswer = began;
  let startableAt = began;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
    const ingestion = await look(client, id, lastAnswer);
    const now = performance.now();
    if (ingestion) {
      lastAnswer = now;
      progress.running(ingestion);
      if (!isOpen(ingestion)) return { ingestion, end: 'done' };
      if (!isStuck(ingestion)) startableAt = now;
      if (now - startableAt > patienceFor(ingestion)) return { ingestion, end: 'unstartable' };
      if (now - began >= timeoutMs) return { ingestion, end: 'timeout' };
    } else if (now - began >= timeoutMs) {
      throw new OsaError('unreachable', 'the time to wait is over, and the server does not answer');
    }
    await wait(Math.min(pollMs, Math.max(0, timeoutMs - (now - began))), undefined, { signal });
  }
}

function isStuck({ status, unstartable, batches }: Ingestion): boolean {
  return status === 'running' && unstartable !== null && batches.running === 0;
}

/** Workers that run and have no runner will not have one soon; where none runs, they may be starting again. */
function patienceFor({ unstartable }: Ingestion): number {
  return unstartable?.workers === 0 ? patienceMs : unstartablePatienceMs;
}

export function isOpen({ status }: Pick<Ingestion, 'status'>): boolean {
  return status === 'running' || status === 'paused';
}

/** The ingestion, or undefined while the server is away or busy and has not been for long. */
async function look(client: Client, id: string, lastAnswer: number): Promise<Ingestion | undefined> {
  try {
    return await client.call('showIngestion', { params: { id } });
  } catch (error) {
    const code = asOsaError(error)?.code;
    const isAway = ['unreachable', 'unavailable', 'busy', 'rate_limited'].includes(code ?? '');
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
  const { pending } = ingestion;
  const counts = [
    ...countsOf(ingestion),
    ...(pending > 0 ? [['not done', count(pending), false] as const] : []),
  ];
  const width = Math.max(...counts.map(([, shown]) => shown.length));
  return pairs(
    counts.map(([name, shown, isBad]) => [name, isBad ? red(shown.padStart(width)) : shown.padStart(width)]),
  );
}
