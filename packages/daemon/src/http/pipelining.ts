import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Resolves when the request's connection has no earlier answer that is still to be sent. Node hands out all requests
 * that came in one piece at once and keeps the later answers until the earlier ones are read: a client that asks for
 * many and reads none would have all of them made, and held in memory.
 *
 * @throws an error with Node's own code when the connection ended meanwhile, or takes no more answers
 */
export type TakeTurn = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function oneByOne(): TakeTurn {
  const latest = new WeakMap<Socket, ServerResponse>();
  return async ({ socket }, response) => {
    const earlier = latest.get(socket);
    latest.set(socket, response);
    if (earlier && !earlier.destroyed) await new Promise<void>((resolve) => earlier.once('close', resolve));
    // An answer that closes the connection is the last one: what was asked behind it must not be done unseen.
    if (socket.destroyed || !socket.writable) {
      throw Object.assign(new Error('nobody waits any more'), { code: 'ECONNRESET' });
    }
    // How long the earlier answer might wait for its reader is no limit for what this request takes.
    socket.setTimeout(0);
  };
}
