import { request } from 'undici';
import { type RawConnection, rawConnection } from '../support/daemon-support.ts';

/** Clients that ask for more than they take, and what others notice of them. */

export interface Flood {
  /** Bytes that the daemon's side of the connections has accepted. */
  sent(): number;
  /** Leaves without a word. */
  stop(): Promise<void>;
}

/** Connections that repeat `text` as fast as they may, and read nothing. */
export async function deafFlood(port: number, connections: number, text: string): Promise<Flood> {
  const piece = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)));
  const all = await Promise.all(Array.from({ length: connections }, () => rawConnection(port)));
  for (const { socket } of all) {
    socket.pause();
    const fill = () => {
      while (socket.writable && socket.write(piece));
    };
    socket.on('drain', fill);
    fill();
  }
  return {
    sent: () => all.reduce((sum, { socket }) => sum + socket.bytesWritten - socket.writableLength, 0),
    stop: () => leave(all),
  };
}

async function leave(connections: readonly RawConnection[]): Promise<void> {
  for (const { socket } of connections) socket.resetAndDestroy();
  await Promise.all(connections.map(({ closed }) => closed));
}

/** Clients that ask, hang up after `patienceMs`, and begin again until they are stopped. */
export function hangUps(port: number, clients: number, path: string, patienceMs: number): Flood {
  let asked = 0;
  let isOver = false;
  const text = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const client = async () => {
    while (!isOver) {
      const connection = await rawConnection(port);
      connection.socket.write(text);
      asked += text.length;
      const timer = setTimeout(() => connection.socket.resetAndDestroy(), patienceMs);
      await connection.closed;
      clearTimeout(timer);
    }
  };
  const all = Array.from({ length: clients }, client);
  return {
    sent: () => asked,
    async stop() {
      isOver = true;
      await Promise.all(all);
    },
  };
}

/** The time within which 99 of 100 of `act` end, one after another, for so long; in milliseconds. */
export async function slowest(act: () => Promise<unknown>, durationMs: number): Promise<number> {
  const took: number[] = [];
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    const start = performance.now();
    await act();
    took.push(performance.now() - start);
  }
  return took.toSorted((x, y) => x - y)[Math.ceil(took.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY;
}

/** A value of `/metrics`. */
export async function metric(url: string, name: string): Promise<number> {
  const { body } = await request(`${url}/metrics`);
  const [, value] = new RegExp(`^${name} (\\S+)$`, 'm').exec(await body.text()) ?? [];
  return Number(value);
}

export const residentBytes = (url: string) => metric(url, 'process_resident_memory_bytes');

/** @throws if the daemon does not say that it is well */
export async function health(url: string): Promise<void> {
  const { statusCode, body } = await request(`${url}/health`);
  await body.text();
  if (statusCode !== 200) throw new Error(`/health was answered with ${statusCode}`);
}

/**
 * The longest that this thread's event loop was kept from others, in milliseconds of its own processor time: a machine that
 * is busy with other things does not count.
 */
export async function longestTurn<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const spent = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let last = spent();
  let ms = 0;
  const look = () => {
    const now = spent();
    ms = Math.max(ms, now - last);
    last = now;
  };
  const timer = setInterval(look, 2);
  try {
    const result = await work();
    look();
    return { result, ms };
  } finally {
    clearInterval(timer);
  }
}
