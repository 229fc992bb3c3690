import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { waitExits } from '../../exit.ts';
import { count, counted } from '../../terminal/format.ts';
import { milliseconds, wordsOf } from '../../terminal/parse.ts';

/** The exit code of a command that has waited for an ingestion. */

type Ingestion = Answer<'showIngestion'>;

export interface Waited {
  readonly ingestion: Ingestion;
  /** Whether the ingestion has ended, or why the wait for it has. */
  readonly end: 'done' | keyof typeof waitExits;
}

const kinds = ['invalid', 'rejected', 'errored', 'any'] as const;

export const verdictOptions = {
  failOn: {
    value: 'KIND',
    description: `exit with 1 when records are of this kind: ${kinds.join(', ')}; several with commas`,
    repeatable: true,
    parse: wordsOf(kinds),
  },
  maxFailed: {
    value: 'N|P%',
    description:
      'exit with 1 when more records than this failed: a number, or a share of those received such as 0.5%',
    parse: limitOf,
  },
  timeout: {
    value: 'TIME',
    description: 'wait no longer than this, such as 90s, 15m or 2h; the ingestion goes on',
    parse: milliseconds,
  },
} as const;

export interface Demands {
  readonly failOn: readonly (readonly (typeof kinds)[number][])[];
  readonly maxFailed: Limit | undefined;
}

/** Failed records that are too many are more than `numerator / denominator`, of the records received or as such. */
interface Limit {
  readonly given: string;
  readonly isShare: boolean;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** The exit code, and why it is not 0. */
export function verdictOf(
  { ingestion, end }: Waited,
  demands: Demands,
): { readonly code: number; readonly why?: string } {
  const { id, status, unstartable } = ingestion;
  const goesOn = `the ingestion is stored and goes on: osa ingestions show ${id}`;
  if (end === 'timeout') return { code: waitExits.timeout, why: `the time to wait is over; ${goesOn}` };
  if (end === 'unstartable') {
    return { code: waitExits.unstartable, why: `${unstartableText(unstartable)}; ${goesOn}` };
  }
  const broken = brokenDemand(ingestion, demands);
  if (broken !== undefined) return { code: 1, why: broken };
  return { code: status === 'failed' || status === 'cancelled' ? 1 : 0 };
}

function brokenDemand(ingestion: Ingestion, { failOn, maxFailed }: Demands): string | undefined {
  const { records, invalid, rejected, errored, published, unchanged, pending } = ingestion;
  const failed = invalid + rejected + errored;
  const wanted = new Set(failOn.flat());
  const counts = { invalid, rejected, errored, any: failed };
  const kind = kinds.find((name) => wanted.has(name) && counts[name] > 0);
  if (kind !== undefined) {
    const what = kind === 'any' ? 'failed' : `${counts[kind] === 1 ? 'is' : 'are'} ${kind}`;
    return `${count(counts[kind])} of ${counted(records, 'record')} ${what} (--fail-on ${kind})`;
  }
  if (maxFailed && isOver(maxFailed, failed, records)) {
    return `${count(failed)} of ${count(records)} records failed (--max-failed ${maxFailed.given})`;
  }
  if (failed > 0 && published + unchanged + pending === 0)
    return records === 1 ? 'the record did not pass' : `none of ${count(records)} records passed`;
  return undefined;
}

function isOver({ isShare, numerator, denominator }: Limit, failed: number, records: number): boolean {
  return BigInt(failed) * denominator > numerator * BigInt(isShare ? records : 1);
}

/** @throws OsaError `usage` */
function limitOf(given: string): Limit {
  const [, whole = '', fraction = '', percent] = /^(\d{1,9})(?:\.(\d{1,6}))?(%)?$/.exec(given) ?? [];
  const isShare = percent !== undefined;
  const numerator = BigInt(`${whole}${fraction}`);
  const denominator = 10n ** BigInt(fraction.length) * (isShare ? 100n : 1n);
  const isWhole = isShare ? numerator <= denominator : fraction === '';
  if (whole !== '' && isWhole) return { given, isShare, numerator, denominator };
  throw new OsaError('usage', 'It must be a whole number, or a share such as 0.5% up to 100%.');
}

/** Why no worker can start what waits. */
export function unstartableText(unstartable: Ingestion['unstartable']): string {
  if (unstartable === null) return 'no worker can start it';
  const releases = unstartable.releases
    .map(({ hook, version, runtime }) => `${hook} v${version} (${runtime})`)
    .join(', ');
  if (unstartable.workers === 0) return 'no worker runs';
  return `no running worker has a runner for ${releases}`;
}

/** Refuses options about the end of an ingestion without the wait for it. @throws OsaError `usage` */
export function refuseUnwaited(options: {
  readonly wait: boolean;
  readonly failOn: readonly unknown[];
  readonly maxFailed: unknown;
  readonly timeout: number | undefined;
}): void {
  if (options.wait) return;
  const { failOn, maxFailed, timeout } = options;
  const field =
    failOn.length > 0
      ? 'fail-on'
      : maxFailed !== undefined
        ? 'max-failed'
        : timeout !== undefined
          ? 'timeout'
          : undefined;
  if (field === undefined) return;
  throw new OsaError('usage', `--${field} is about the end of the ingestion: leave out --no-wait`, { field });
}
