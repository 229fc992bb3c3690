import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';

/** A proxy between one daemon and PostgreSQL, or engines and a registry, that loses bytes on request. */
export interface Line {
  readonly port: number;
  /** Ends all connections at once, both ways. */
  cut(): void;
  /** Passes nothing on any more, both ways; after `ms` the connections end. New ones are taken and stay silent. */
  blackhole(ms: number): void;
  /**
   * Passes nothing on any more over the connections that there are, until the client itself ends them; of PostgreSQL
   * only over those that were opened under this application's name.
   */
  silence(application: string): void;
  /**
   * The next COMMIT reaches the server, its answer does not reach the daemon: the connection is cut, or goes silent
   * for `silentMs` and is cut then. Resolves when it has happened.
   */
  loseCommitAnswer(silentMs: number): Promise<void>;
  /** Whether the client still has a connection that is silent until it ends it. */
  hasDead(): boolean;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  silent: boolean;
  /** The name in the first packet of PostgreSQL's protocol. */
  application?: string | undefined;
  /** Silent until the client ends it. */
  dead: boolean;
}

/** Long enough for the server to have worked on a COMMIT that it was sent. */
const commitMs = 60;

/** `target` is a socket's path, or a port of the loopback address. */
export async function startProxy(target: string | number): Promise<Line> {
  const pairs = new Set<Pair>();
  const state = { silent: false, loseAnswer: undefined as ((pair: Pair) => void) | undefined };
  const listener = createServer((client) => {
    const pair = { client, server: connectTo(target), silent: state.silent, dead: false };
    pairs.add(pair);
    join(pair, state, () => pairs.delete(pair));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const cut = () => {
    for (const pair of pairs) end(pair);
  };
  return {
    port: (listener.address() as AddressInfo).port,
    cut,
    blackhole(ms) {
      state.silent = true;
      for (const pair of pairs) pair.silent = true;
      setTimeout(() => {
        state.silent = false;
        for (const pair of pairs) if (pair.silent && !pair.dead) end(pair);
      }, ms);
    },
    silence(application) {
      for (const pair of pairs) {
        if (pair.application === application) Object.assign(pair, { silent: true, dead: true });
      }
    },
    hasDead: () => [...pairs].some(({ dead }) => dead),
    async loseCommitAnswer(silentMs) {
      const { promise, resolve } = Promise.withResolvers<void>();
      state.loseAnswer = (pair) => {
        state.loseAnswer = undefined;
        pair.silent = true;
        setTimeout(() => end(pair), commitMs + silentMs);
        resolve();
      };
      await promise;
    },
    async close() {
      cut();
      listener.close();
      await once(listener, 'close');
    },
  };
}

function connectTo(target: string | number): Socket {
  return typeof target === 'string' ? createConnection(target) : createConnection(target, '127.0.0.1');
}

function join(
  pair: Pair,
  state: { readonly loseAnswer: ((pair: Pair) => void) | undefined },
  ended: () => void,
): void {
  const { client, server } = pair;
  client.once('data', (chunk: Buffer) => {
    [, pair.application] = /application_name\0([^\0]+)\0/.exec(chunk.toString('latin1')) ?? [];
  });
  client.on('data', (chunk: Buffer) => {
    if (pair.silent) return;
    server.write(chunk);
    // A simple query of this one word; the statement's text ends with a zero byte.
    if (state.loseAnswer && /commit\0/i.test(chunk.toString('latin1'))) state.loseAnswer(pair);
  });
  server.on('data', (chunk: Buffer) => {
    if (!pair.silent) client.write(chunk);
  });
  for (const side of [client, server]) {
    side.setNoDelay(true);
    side.on('error', () => end(pair));
    side.on('close', () => {
      // A silent line tells nobody of its end; the server of a dead one would keep its locks for a while.
      if (!pair.silent || (pair.dead && side === client)) end(pair);
      if (client.destroyed && server.destroyed) ended();
    });
  }
}

function end({ client, server }: Pair): void {
  client.resetAndDestroy();
  server.destroy();
}
