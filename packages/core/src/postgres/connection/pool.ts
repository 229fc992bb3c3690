import { OsaError } from '../../error.ts';
import type { Client } from './client.ts';

/** At most `max` connections, each lent to one user at a time, in the order in which they asked. */
export interface Pool {
  /**
   * @throws OsaError `unavailable` when none is free within `acquireTimeoutMs`, too many wait already, none can be
   *   opened, or the pool is closed; the reason of `wanted`, if it is aborted while waiting
   */
  acquire(wanted?: AbortSignal): Promise<Client>;
  /** Gives a connection back. An old one is retired; a lost one is dropped, and with it those that are idle. */
  release(client: Client): void;
  /** How many connections there may be, are lent, and are waited for. */
  usage(): PoolUsage;
  /** Refuses who waits, lets who works finish for `acquireTimeoutMs`, then cuts what is left. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly max: number;
  readonly acquireTimeoutMs: number;
  readonly open: () => Promise<Client>;
}

export function createPool({ max, acquireTimeoutMs, open }: PoolOptions): Pool {
  const permits = createPermits(max, acquireTimeoutMs);
  const clients = new Set<Client>();
  const idle: Client[] = [];

  const add = (client: Client): Client => {
    clients.add(client);
    client.lost.addEventListener('abort', () => {
      clients.delete(client);
      remove(idle, client);
    });
    return client;
  };
  const acquire = async (wanted?: AbortSignal): Promise<Client> => {
    wanted?.throwIfAborted();
    await permits.take(wanted);
    const client = await lend().catch((error: unknown) => {
      permits.give();
      throw error;
    });
    if (wanted?.aborted) {
      release(client);
      throw wanted.reason;
    }
    return client;
  };
  const lend = async (): Promise<Client> => idle.pop() ?? add(await open());
  const release = (client: Client): void => {
    if (client.lost.aborted) {
      // The cause, such as a firewall that forgot this one, may have closed those that nobody has asked since.
      for (const other of [...idle]) other.destroy();
    } else if (performance.now() - client.openedAt > retireAfterMs) {
      client.destroy();
    } else {
      idle.push(client);
    }
    permits.give();
  };
  const close = async (): Promise<void> => {
    await permits.close();
    await Promise.all([...clients].map((client) => client.close()));
  };
  return { acquire, release, close, usage: permits.usage };
}

export interface PoolUsage {
  readonly max: number;
  readonly lent: number;
  readonly waiting: number;
}

interface Permits {
  usage(): PoolUsage;
  take(wanted?: AbortSignal): Promise<void>;
  give(): void;
  /** Refuses everybody, and waits until all are given back, for the time-out at most. */
  close(): Promise<void>;
}

interface Waiter {
  readonly enter: () => void;
  readonly refuse: (error: unknown) => void;
}

function createPermits(max: number, timeoutMs: number): Permits {
  const waiters: Waiter[] = [];
  const drained = Promise.withResolvers<void>();
  let free = max;
  let closed = false;

  const take = async (wanted?: AbortSignal): Promise<void> => {
    if (closed) {
      throw closedError();
    }
    if (free > 0) {
      free -= 1;
      return;
    }
    if (waiters.length >= max * waitersPerConnection) {
      throw busyError(max, `${waiters.length} others wait already`);
    }
    await wait(wanted);
  };
  const wait = (wanted?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = () => {
        remove(waiters, waiter);
        waiter.refuse(wanted?.reason);
      };
      wanted?.addEventListener('abort', leave, { once: true });
      const timer = setTimeout(() => {
        remove(waiters, waiter);
        waiter.refuse(busyError(max, `none came free within ${timeoutMs} ms`));
      }, timeoutMs);
      const settle = (act: () => void) => {
        clearTimeout(timer);
        wanted?.removeEventListener('abort', leave);
        act();
      };
      const waiter: Waiter = {
        enter: () => settle(resolve),
        refuse: (error) => settle(() => reject(error)),
      };
      waiters.push(waiter);
    });
  const give = (): void => {
    const next = waiters.shift();
    if (next !== undefined) {
      next.enter();
      return;
    }
    free += 1;
    if (closed && free === max) {
      drained.resolve();
    }
  };
  const close = async (): Promise<void> => {
    closed = true;
    for (const waiter of waiters.splice(0)) {
      waiter.refuse(closedError());
    }
    const timer = setTimeout(drained.resolve, free === max ? 0 : timeoutMs);
    await drained.promise;
    clearTimeout(timer);
  };
  const usage = (): PoolUsage => ({ max, lent: max - free, waiting: waiters.length });
  return { take, give, close, usage };
}

function busyError(max: number, why: string): OsaError {
  return new OsaError('unavailable', `All ${max} database connections are busy, and ${why}. Try again.`);
}

function closedError(): OsaError {
  return new OsaError('unavailable', 'The connections to the database are closed. Restart the program.');
}

function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index >= 0) {
    list.splice(index, 1);
  }
}

const waitersPerConnection = 100;

/** Prepared statements and cached plans pile up in a session; a fresh one starts without. */
const retireAfterMs = 30 * 60 * 1_000;
