import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Resolves when all earlier answers on the request's connection are sent. Node hands out pipelined requests at once,
 * and holds the later answers in memory until the client has read the earlier ones. A client that reads nothing could
 * fill the memory with answers.
 *
 * @throws an error with Node's own code when the connection ended meanwhile, or takes no more answers
 */
export type TakeTurn = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function pipelining(): TakeTurn {
  const latest = new WeakMap<Socket, ServerResponse>();
  return async ({ socket }, response) => {
    const earlier = latest.get(socket);
    latest.set(socket, response);
    if (earlier && !earlier.destroyed) await new Promise<void>((resolve) => earlier.once('close', resolve));
    // After an answer that closes the connection, nobody would see the result of this request.
    if (socket.destroyed || !socket.writable) {
      throw Object.assign(new Error('the connection is closed'), { code: 'ECONNRESET' });
    }
    // The earlier answer's time limit does not apply to this request.
    socket.setTimeout(0);
  };
}
