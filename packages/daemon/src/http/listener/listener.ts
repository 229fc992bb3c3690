import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpLimits } from '../limits.ts';
import { pipelining } from '../pipelining.ts';
import { createBackground } from './background.ts';
import { countConnections } from './connections.ts';
import { type Reading, readInPieces } from './pieces.ts';

export interface ListenerOptions {
  readonly limits: HttpLimits;
  readonly trustedProxies: readonly string[];
}

/**
 * The server below the routes, which bounds what a connection can make it hold. A request is handed on when the answers
 * before it on its connection are sent. Until then it waits; with `pipelinedRequests` of them the connection is not
 * parsed any further. Requests of a connection that has ended are dropped. Those that have waited so come behind the
 * first ones of other connections, which a flood of them would delay.
 */
export function createListener(handle: RequestListener, { limits, trustedProxies }: ListenerOptions): Server {
  const takeTurn = pipelining();
  const inTheBackground = createBackground();
  const connections = countConnections({ mostPerNetwork: limits.connectionsPerAddress, trustedProxies });
  const queues = new WeakMap<Socket, { open: number; reading: Reading }>();
  const receive: RequestListener = (request, response) => {
    const queue = queues.get(request.socket);
    if (!queue) return;
    const begin = queue.open === 0 ? (work: () => void) => work() : inTheBackground;
    queue.open += 1;
    response.once('close', () => {
      queue.open -= 1;
      queue.reading.proceed();
    });
    takeTurn(request, response).then(
      () => begin(() => void (request.socket.destroyed || handle(request, response))),
      // The connection has ended, or an earlier answer ends it.
      () => undefined,
    );
  };
  const server = createServer(
    {
      keepAliveTimeout: limits.keepAliveMs,
      headersTimeout: limits.headersMs,
      // Node has one limit for all requests, and an upload may take hours. Bodies have their own limits.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1_000, limits.headersMs / 4),
      maxHeaderSize: limits.headerBytes,
      // Node would answer these itself, out of the sight of the count.
      requireHostHeader: false,
    },
    receive,
  );
  server.on('checkExpectation', receive);
  server.maxConnections = limits.connections;
  return server.on('connection', (socket: Socket) => {
    if (!connections.admit(socket)) return;
    const isFull = () => (queues.get(socket)?.open ?? 0) >= limits.pipelinedRequests;
    queues.set(socket, { open: 0, reading: readInPieces(socket, isFull) });
  });
}
