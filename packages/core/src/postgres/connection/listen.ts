import { OsaError } from '../../error.ts';
import type { Client } from './client.ts';

/** Called with a notification's payload, or with undefined when some may have been missed: look for yourself then. */
export type Listener = (payload: string | undefined) => void;

export interface Listening {
  /** Resolves when the server listens; the function that comes back ends it. */
  listen(channel: string, listener: Listener): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export type OpenListening = (onNotify: (channel: string, payload: string) => void) => Promise<Client>;

/**
 * Notifications, over one connection beside the pool. It is opened at the first use, and again every `retryMs`
 * while it is lost and somebody listens.
 */
export function createListening(open: OpenListening): Listening {
  const channels = new Map<string, Set<Listener>>();
  let connection: Promise<Client> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  const connected = (): Promise<Client> => {
    if (connection === undefined) {
      const opening = start();
      const forget = (): void => {
        connection = connection === opening ? undefined : connection;
        retry ??= setTimeout(again, retryMs);
      };
      connection = opening;
      opening.then((client) => whenLost(client, forget), forget);
    }
    return connection;
  };
  const start = async (): Promise<Client> => {
    const client = await open((channel, payload) => tell(channels.get(channel), payload));
    for (const channel of channels.keys()) {
      await client.control(`listen ${quote(channel)}`);
    }
    return client;
  };
  // An error here has no caller to go to; every user of the database meets the same one.
  const again = (): void => {
    retry = undefined;
    if (!closed && channels.size > 0) {
      connected().then(
        () =>
          tell(
            [...channels.values()].flatMap((listeners) => [...listeners]),
            undefined,
          ),
        () => undefined,
      );
    }
  };
  const listen = async (channel: string, listener: Listener): Promise<() => Promise<void>> => {
    if (closed) {
      throw new OsaError('unavailable', 'The connections to the database are closed. Restart the program.');
    }
    channels.set(channel, (channels.get(channel) ?? new Set()).add(listener));
    try {
      const client = await connected();
      await client.control(`listen ${quote(channel)}`);
    } catch (error) {
      forgetListener(channels, channel, listener);
      throw error;
    }
    return () => unlisten(channel, listener);
  };
  const unlisten = async (channel: string, listener: Listener): Promise<void> => {
    if (forgetListener(channels, channel, listener) && !closed) {
      const client = await connection;
      await client?.control(`unlisten ${quote(channel)}`);
    }
  };
  const close = async (): Promise<void> => {
    closed = true;
    clearTimeout(retry);
    const client = await connection?.catch(() => undefined);
    await client?.close();
    clearTimeout(retry);
  };
  return { listen, close };
}

/** Whether nobody is left who listens to the channel. */
function forgetListener(channels: Map<string, Set<Listener>>, channel: string, listener: Listener): boolean {
  const listeners = channels.get(channel);
  listeners?.delete(listener);
  return listeners?.size === 0 && channels.delete(channel);
}

/** In a turn of its own: inside the driver, a listener's exception would be taken for a statement's failure. */
function tell(listeners: Iterable<Listener> = [], payload: string | undefined): void {
  for (const listener of listeners) {
    queueMicrotask(() => listener(payload));
  }
}

function whenLost(client: Client, act: () => void): void {
  if (client.lost.aborted) {
    act();
  } else {
    client.lost.addEventListener('abort', act);
  }
}

function quote(channel: string): string {
  return `"${channel.replaceAll('"', '""')}"`;
}

const retryMs = 500;
