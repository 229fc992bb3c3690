import type { Answer } from '@osa/core/api';
import type { Client } from '../../http/client.ts';
import { count, duration, time } from '../../terminal/format.ts';
import { green, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { pairs } from '../../terminal/table.ts';
import { follow, type Wait } from '../follow.ts';
import { pauseLine } from '../pause.ts';
import { countsOf, type Progress, secondsOf } from './progress.ts';
import type { Waited } from './verdict.ts';

type Ingestion = Answer<'showIngestion'>;

/** Workers that are gone may be starting again, and others may be about to come up. Milliseconds. */
const noWorkerPatienceMs = 60_000;
const unstartablePatienceMs = 5_000;

export interface FollowOptions extends Wait {
  readonly progress: Progress;
  /** Finds the server again: a development daemon that starts again may have another address. */
  renew(): Client;
}

/**
 * Waits until nothing of the ingestion is left to run, through pauses too, or no running worker can start what is left.
 *
 * @throws OsaError as `follow` does
 */
export async function followIngestion(
  client: Client,
  { id }: { readonly id: string },
  { progress, renew, ...limits }: FollowOptions,
): Promise<Waited> {
  let startableAt = performance.now();
  let [server, isAway] = [client, false];
  const goesOn = `the ingestion is stored and goes on: osa ingestions show ${id}`;
  const ingestion = {
    id,
    goesOn,
    async look() {
      if (isAway) server = renew();
      return server.call('showIngestion', { params: { id } });
    },
    away() {
      isAway = true;
      progress.away(`the server is away or busy; waiting for it; ${goesOn}`);
    },
    take(found: Ingestion) {
      isAway = false;
      progress.running(found);
      if (!isOpen(found)) return 'done';
      const now = performance.now();
      if (!isStuck(found)) startableAt = now;
      return now - startableAt > patienceFor(found) ? 'unstartable' : undefined;
    },
  } as const;
  const { last, end } = await follow(ingestion, limits);
  return { ingestion: last, end };
}

function isStuck({ status, unstartable, batches }: Ingestion): boolean {
  return status === 'running' && unstartable !== null && batches.running === 0;
}

/** Workers that run and have no runner will not have one soon; where none runs, they may be starting again. */
function patienceFor({ unstartable }: Ingestion): number {
  return unstartable?.workers === 0 ? noWorkerPatienceMs : unstartablePatienceMs;
}

export function isOpen({ status }: Pick<Ingestion, 'status'>): boolean {
  return status === 'running' || status === 'paused';
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
