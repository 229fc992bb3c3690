import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { HttpLimits } from '../limits.ts';
import { type Budget, createBudget } from './budget.ts';

/** The budget of readers without a token, by network. */
export interface AnonymousBudget {
  /** Counts a request. @throws OsaError `rate_limited` when nothing is left of requests, rows or bytes */
  admit(network: string): void;
  /** Counts an answer. It may be larger than what was left; the next ones wait the longer. */
  spend(network: string, answer: { readonly rows: number; readonly bytes: number }): void;
  /** Counts a read that its client left before the answer was whole: such reads cost the archive, and give nobody anything. */
  abandon(network: string): void;
}

/** A network may leave as many reads a minute, if it reads nothing else. */
const abandonedReads = 50;

type Minutely = Pick<HttpLimits, 'anonymousRequests' | 'anonymousRows' | 'anonymousBytes'>;

export function anonymousBudget(limits: Minutely, now?: () => number): AnonymousBudget {
  const [requests, rows, bytes] = [
    { unit: 'requests', ...perMinute(limits.anonymousRequests, now) },
    { unit: 'rows', ...perMinute(limits.anonymousRows, now) },
    { unit: 'bytes', ...perMinute(limits.anonymousBytes, now) },
  ];
  return {
    admit(network) {
      for (const { unit, amount, budget } of [requests, rows, bytes]) {
        const left = budget.left(network);
        if (left < 1) throw refusal({ unit, amount, left });
      }
      requests.budget.spend(network, 1);
    },
    spend(network, answer) {
      rows.budget.spend(network, answer.rows);
      bytes.budget.spend(network, answer.bytes);
    },
    abandon(network) {
      requests.budget.spend(network, Math.ceil(requests.amount / abandonedReads));
      rows.budget.spend(network, bounds.pageRows);
    },
  };
}

function perMinute(amount: number, now?: () => number): { amount: number; budget: Budget } {
  return { amount, budget: createBudget({ burst: amount, perSecond: amount / 60 }, now) };
}

function refusal({ unit, amount, left }: { unit: string; amount: number; left: number }): OsaError {
  const seconds = Math.max(1, Math.ceil(((1 - left) * 60) / amount));
  return new OsaError(
    'rate_limited',
    `readers without a token get ${amount} ${unit} a minute for each network; wait ${seconds} s, or send a token`,
    { details: { retry_after_seconds: seconds, limit: amount, unit } },
  );
}
