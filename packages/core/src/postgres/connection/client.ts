import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import postgres from 'postgres';
import { OsaError } from '../../error.ts';
import { translateRefusal } from './sqlstate.ts';
import { type Backend, makeUnsafe, notOffered, type Statement, whenSettled } from './statement.ts';

/**
 * One connection to PostgreSQL. It is opened once: the driver under it is given a single socket, so when that breaks,
 * nothing that was meant for its session can run on another one.
 */
export interface Client {
  /** Aborted when the connection is gone, with an OsaError `unavailable` as its reason. */
  readonly lost: AbortSignal;
  /** By `performance.now()`. */
  readonly openedAt: number;
  /** Sends a statement behind those that were sent before. It settles in any case. */
  execute(statement: Statement): void;
  /** Sends transaction control or the like, and gives its command tag. */
  control(text: string): Promise<string | undefined>;
  /** Names the session after the request that it works for, before anything else is sent; the answer is not awaited. */
  nameAfter(request: string | undefined): void;
  /** Asks the server to stop what it does for this connection; it may be too early or too late for that. */
  cancel(): Promise<void>;
  /** Says goodbye and waits until the connection is gone. */
  close(): Promise<void>;
  /** Cuts the connection; `lost` follows. */
  destroy(): void;
}

export interface ClientOptions {
  /** Bounds the whole way to a usable session. */
  readonly connectTimeoutMs: number;
  /** A connection that owes an answer and gives none for so long is cut; 0 for never. */
  readonly silenceMs: number;
  /** Runs before anybody is given the connection. */
  readonly firstStatement?: string;
  readonly onNotify?: (channel: string, payload: string) => void;
}

/**
 * Opens a connection with the options of `maker`.
 * @throws OsaError `unavailable` when the server cannot be reached, or the driver's error, such as a wrong password
 */
export async function openClient(maker: postgres.Sql, options: ClientOptions): Promise<Client> {
  const lost = new AbortController();
  const deadline = AbortSignal.timeout(options.connectTimeoutMs);
  const socket = singleSocket(maker, deadline);
  const driver = postgres({
    ...maker.options,
    no_subscribe: true,
    socket: socket.open,
    onnotify: options.onNotify,
    onclose: (_id: number, error?: unknown) => lost.abort(lostError(error)),
  } as unknown as postgres.Options<Record<string, never>>);
  // At once, and not when the socket's end is noticed: nobody may be given the connection in between.
  const destroy = (): void => {
    lost.abort(lostError(coded('CONNECTION_DESTROYED', 'it was cut from our side')));
    socket.destroy();
  };
  try {
    const reserved = await untilAborted(driver.reserve(), [lost.signal, deadline]);
    const opened = client({ maker, driver, reserved, lost: lost.signal, destroy, ...options });
    if (options.firstStatement !== undefined) {
      await untilAborted(opened.control(options.firstStatement), [lost.signal, deadline]);
    }
    return opened;
  } catch (error) {
    destroy();
    throw deadline.aborted ? connectTimeout(options.connectTimeoutMs, error) : translateRefusal(error);
  }
}

/** `promise`, unless one of the signals is aborted first. It leaves no listener behind. */
export function untilAborted<T>(promise: Promise<T>, signals: readonly AbortSignal[]): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const done = new AbortController();
    for (const signal of signals) {
      const abort = (): void => reject(signal.reason);
      if (signal.aborted) {
        abort();
      }
      signal.addEventListener('abort', abort, { signal: done.signal });
    }
    promise.then(resolve, reject).finally(() => done.abort());
  });
}

interface Parts extends ClientOptions {
  readonly maker: postgres.Sql;
  readonly driver: postgres.Sql;
  readonly reserved: postgres.ReservedSql;
  readonly lost: AbortSignal;
  readonly destroy: () => void;
}

function client({ maker, driver, reserved, lost, destroy, silenceMs }: Parts): Client {
  // The driver offers no other way to hand a statement to a connection than through the tag that made it.
  const { handler } = reserved`` as unknown as Statement;
  const silence = watchSilence(silenceMs, destroy);
  let backend: Backend | undefined;
  const execute = (statement: Statement): void => {
    const refusal = lost.aborted ? lost.reason : notOffered(statement);
    if (refusal !== undefined) {
      statement.reject(refusal);
      return;
    }
    silence.asked();
    whenSettled(statement, (error) => {
      silence.answered();
      return error;
    });
    handler(statement);
    backend = statement.state;
  };
  let named: string | undefined;
  const nameAfter = (request: string | undefined): void => {
    if (request === named) return;
    named = request;
    const { application_name = '' } = maker.options.connection;
    const name = request === undefined ? application_name : `${application_name} ${request}`;
    const text = `select set_config('application_name', $1, false)`;
    // Prepared, so that what follows need not wait for the types of its parameter.
    const statement = makeUnsafe(maker, text, [name.slice(0, longestName)], { prepare: true });
    // The driver calls a handler a turn later, when the statement behind it would have gone ahead.
    statement.handler = () => undefined;
    execute(statement);
    // Whatever breaks this breaks the statement behind it.
    statement.catch(() => undefined);
  };
  const cancel = async (): Promise<void> => {
    if (backend !== undefined) await requestCancel(target(maker.options), backend).catch(destroy);
  };
  const control = async (text: string): Promise<string | undefined> => {
    const statement = makeUnsafe(maker, text);
    statement.handler = execute;
    return (await statement).command;
  };
  const close = async (): Promise<void> => {
    const gone = lost.aborted
      ? undefined
      : once(lost, 'abort', { signal: AbortSignal.timeout(1_000) }).catch(destroy);
    await driver.end({ timeout: 0 });
    await gone;
  };
  return { lost, openedAt: performance.now(), execute, control, nameAfter, cancel, close, destroy };
}

/** PostgreSQL cuts an application_name there. */
const longestName = 63;

/**
 * A factory that gives the driver one socket and no second one. The driver would connect anew by itself, and run
 * queries for the old session in the new one.
 */
function singleSocket({ options }: postgres.Sql, deadline: AbortSignal) {
  let socket: Socket | undefined;
  const open = async (): Promise<Socket> => {
    if (socket !== undefined) {
      throw coded('CONNECTION_ENDED', 'a lost connection is not opened again');
    }
    socket = connect({ ...target(options), noDelay: true });
    try {
      await once(socket, 'connect', { signal: deadline });
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
  return { open, destroy: () => void socket?.destroy() };
}

function target({
  path,
  host,
  port,
}: postgres.ParsedOptions): { path: string } | { host: string; port: number } {
  return path ? { path } : { host: host[0] ?? 'localhost', port: port[0] ?? 5432 };
}

const cancelMs = 1_000;

/**
 * The CancelRequest of PostgreSQL's protocol, on a connection of its own that the server closes when it has passed it on.
 * It is not encrypted, as that of libpq; the secret is of no use but to cancel.
 */
async function requestCancel(place: ReturnType<typeof target>, { pid, secret }: Backend): Promise<void> {
  const message = Buffer.alloc(16);
  for (const [index, value] of [16, 80_877_102, pid, secret].entries())
    message.writeUInt32BE(value, index * 4);
  const socket = connect(place);
  try {
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(cancelMs) });
    socket.resume().end(message);
    await closed;
  } finally {
    socket.destroy();
  }
}

/** A server that vanished without a word answers nothing, and its silence is all there is to see. */
function watchSilence(silenceMs: number, cut: () => void) {
  let owed = 0;
  let timer: NodeJS.Timeout | undefined;
  return {
    asked(): void {
      owed += 1;
      if (timer === undefined && silenceMs > 0) {
        timer = setTimeout(cut, silenceMs);
      }
    },
    answered(): void {
      owed -= 1;
      if (owed > 0) {
        timer?.refresh();
      } else {
        clearTimeout(timer);
        timer = undefined;
      }
    },
  };
}

/** An error like the driver's own, for `isConnectionLost` to know. */
function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function lostError(cause: unknown): OsaError {
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  return new OsaError('unavailable', `The connection to the database was lost${why}. Try again.`, { cause });
}

function connectTimeout(milliseconds: number, cause: unknown): OsaError {
  return new OsaError(
    'unavailable',
    `The database did not accept a connection within ${milliseconds} ms. Try again.`,
    { cause },
  );
}
