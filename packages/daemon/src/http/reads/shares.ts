import { OsaError } from '@osa/core/error';

/** Whose turns are counted together: a principal, or a network of readers without a token. */
export interface Reader {
  readonly name: string;
  readonly isAnonymous: boolean;
}

/** A read that is under way, and then its answer. */
export interface Turn {
  /** The answer is made, so others may read; its bytes count until `end`. */
  send(bytes: number): void;
  end(): void;
}

export interface Request {
  readonly reader: Reader;
  /** Aborted when the client has gone. */
  readonly client: AbortSignal;
  /** Cuts the client, which takes its answer too slowly. */
  cut(): void;
}

/**
 * Divides what reads may hold: at most `reads` are made at a time. One of these is kept from readers without a token,
 * and a reader has no more than half of them. Unread answers count as well, of each reader and of all together.
 */
export interface Shares {
  /**
   * Waits for a turn, in the order of arrival among those who may have one.
   *
   * @throws OsaError `rate_limited` if too many reads of this reader wait; `busy` if too many of all readers do, or
   * after `waitMs`; the reason of `client` once it is aborted
   */
  take(request: Request): Promise<Turn>;
}

export interface ShareLimits {
  readonly reads: number;
  /** Bytes of answers that a reader has not taken, and that all have not. One answer more may exceed them. */
  readonly unreadBytes: { readonly each: number; readonly all: number };
  readonly waiting: { readonly each: number; readonly all: number };
  readonly waitMs: number;
}

/** A client that has not taken its answer after this time is cut if others cannot read for it. */
const sendingMs = 5_000;
/** The longest time for an answer: a minute, and a second for each of so many bytes. */
const minuteMs = 60_000;
const leastBytesPerSecond = 64 * 1024;

interface Waiter extends Request {
  readonly begin: () => void;
}

export function createShares(limits: ShareLimits): Shares {
  const waiting: Waiter[] = [];
  const sending = new Set<{ readonly since: number; readonly cut: () => void }>();
  const [active, unread, queued] = [new Tally(), new Tally(), new Tally()];
  const most = {
    each: Math.max(1, Math.floor(limits.reads / 2)),
    anonymous: Math.max(1, limits.reads - 1),
  };
  const mayBegin = ({ name, isAnonymous }: Reader) =>
    active.all < limits.reads &&
    active.of(name) < most.each &&
    (!isAnonymous || active.of(anonymous) < most.anonymous) &&
    unread.of(name) < limits.unreadBytes.each &&
    unread.all < limits.unreadBytes.all;
  const beginNext = () => {
    for (const waiter of [...waiting]) if (mayBegin(waiter.reader)) waiter.begin();
    if (waiting.length === 0 || unread.all < limits.unreadBytes.all) return;
    const [slowest] = sending;
    if (slowest && performance.now() - slowest.since > sendingMs) slowest.cut();
  };
  const count = (reader: Reader, by: 1 | -1) => {
    active.add(reader.name, by);
    if (reader.isAnonymous) active.add(anonymous, by, 0);
  };
  const begin = (request: Request): Turn => {
    count(request.reader, 1);
    return turnOf(request);
  };
  const turnOf = ({ reader, cut }: Request): Turn => {
    let isMade = false;
    let end = () => {
      isMade = true;
      count(reader, -1);
      beginNext();
    };
    return {
      send(bytes) {
        if (isMade) return;
        const sent = { since: performance.now(), cut };
        const timer = setTimeout(cut, minuteMs + (bytes / leastBytesPerSecond) * 1_000);
        unread.add(reader.name, bytes);
        sending.add(sent);
        end();
        end = () => {
          clearTimeout(timer);
          sending.delete(sent);
          unread.add(reader.name, -bytes);
          beginNext();
        };
      },
      end() {
        end();
        end = () => undefined;
      },
    };
  };
  const wait = (request: Request): Promise<Turn> => {
    const { name } = request.reader;
    if (queued.of(name) >= limits.waiting.each) throw tooMany(limits.waiting.each);
    if (queued.all >= limits.waiting.all) throw busy('too many others wait');
    const { promise, resolve, reject } = Promise.withResolvers<Turn>();
    const leave = () => {
      clearTimeout(timer);
      request.client.removeEventListener('abort', gone);
      waiting.splice(waiting.indexOf(waiter), 1);
      queued.add(name, -1);
    };
    const gone = () => {
      leave();
      reject(request.client.reason);
    };
    const waiter: Waiter = {
      ...request,
      begin: () => {
        leave();
        resolve(begin(request));
      },
    };
    const timer = setTimeout(() => {
      leave();
      reject(busy(`its turn did not come within ${limits.waitMs} ms`));
    }, limits.waitMs);
    request.client.addEventListener('abort', gone);
    waiting.push(waiter);
    queued.add(name, 1);
    beginNext();
    return promise;
  };
  return {
    async take(request) {
      request.client.throwIfAborted();
      const isFirst = queued.of(request.reader.name) === 0;
      return isFirst && mayBegin(request.reader) ? begin(request) : wait(request);
    },
  };
}

/** No name of a reader is empty. */
const anonymous = '';

/** Amounts by name, and all of them. */
export class Tally {
  all = 0;
  private readonly amounts = new Map<string, number>();

  of(name: string): number {
    return this.amounts.get(name) ?? 0;
  }

  add(name: string, amount: number, toAll = amount): void {
    const sum = this.of(name) + amount;
    if (sum === 0) this.amounts.delete(name);
    else this.amounts.set(name, sum);
    this.all += toAll;
  }
}

function tooMany(most: number): OsaError {
  return new OsaError('rate_limited', `${most} of your reads wait already; wait for their answers`, {
    details: { retry_after_seconds: 1 },
  });
}

/** Not logged, so that a flood of reads does not become a flood of log lines. */
function busy(why: string): OsaError {
  return new OsaError('busy', `the read was not begun: ${why}; try again in a second`);
}
