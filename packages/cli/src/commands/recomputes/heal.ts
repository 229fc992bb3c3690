import type { Answer } from '@osa/core/api';
import type { Context } from '../../command.ts';
import { waitExits } from '../../exit.ts';
import type { Client } from '../../http/client.ts';
import { count, counted, version } from '../../terminal/format.ts';
import { bold, green, type Line, line, red } from '../../terminal/paint.ts';
import { milliseconds } from '../../terminal/parse.ts';
import { followRecompute } from './follow.ts';
import { type Recompute, recomputeLines, recordLines } from './lines.ts';

/** Options of the commands that follow a recompute to its end. */
export const waitOptions = {
  wait: { negated: true, description: 'return as soon as the recompute is stored' },
  timeout: {
    value: 'TIME',
    description: 'wait no longer than this, such as 90s, 15m or 2h; the recompute goes on',
    parse: milliseconds,
  },
} as const;

/** How many records that are left are named. */
const mostNamed = 10;

/** The current rows that are left of the releases to be replaced. */
export interface Proof {
  /** By release, the current rows and records that are left. */
  readonly left: readonly { readonly version: number; readonly records: number; readonly rows: number }[];
  /** The records that errored, the first of them. */
  readonly errored: Answer<'listRecomputeRecords'>['items'];
}

export interface Healed {
  readonly recompute: Recompute;
  readonly proof: Proof;
  readonly code: number;
  readonly lines: readonly Line[];
}

/** Follows a recompute, and proves by the kept counts that nothing of its releases is current, or says what is. */
export async function healed(
  context: Context,
  client: Client,
  begun: Recompute,
  { timeout }: { readonly timeout: number | undefined },
): Promise<Healed> {
  const { recompute, end } = await followRecompute(context, client, { id: begun.id, timeoutMs: timeout });
  const proof = await prove(client, recompute);
  const isWhole = !recompute.is_list && recompute.convention_id === null;
  const isClean = recompute.status === 'completed' && recompute.errored === 0;
  const isProved = isClean && (!isWhole || proof.left.every(({ records }) => records === 0));
  const isOver = end === 'timeout';
  return {
    recompute,
    proof,
    code: isOver ? waitExits.timeout : isProved ? 0 : 1,
    lines: [
      ...recomputeLines(recompute),
      ...(isOver ? ['the time to wait is over, and the recompute goes on'] : []),
      ...(isWhole ? proofLines(recompute, proof) : []),
    ],
  };
}

async function prove(client: Client, { id, hook_name: name, releases, errored }: Recompute): Promise<Proof> {
  const stale = await client.call('showStale', { params: { name } });
  const left = releases.map((number) => {
    const part = stale.releases.find((release) => release.version === number);
    return { version: number, records: part?.records ?? 0, rows: part?.rows ?? 0 };
  });
  const list =
    errored === 0
      ? []
      : (
          await client.call('listRecomputeRecords', {
            params: { id },
            query: { status: 'failed', limit: 1_000 },
          })
        ).items;
  return { left, errored: list.filter((record) => record.status === 'errored').slice(0, mostNamed) };
}

function proofLines({ id, errored }: Recompute, proof: Proof): Line[] {
  const more = errored - proof.errored.length;
  return [
    ...proof.left.map(({ version: number, records, rows }) =>
      records === 0
        ? line`current rows of ${version(number)}: ${green('0')}`
        : line`current rows of ${version(number)}: ${red(count(rows))}, of ${counted(records, 'record')}`,
    ),
    ...(proof.errored.length > 0 ? recordLines({ items: [...proof.errored], next_cursor: null }) : []),
    ...(more > 0
      ? [line`and ${counted(more, 'more errored record')}: ${bold(`osa recomputes show ${id} --failed`)}`]
      : []),
  ];
}
