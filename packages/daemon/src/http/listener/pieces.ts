import type { Socket } from 'node:net';

/** The reading of one connection. */
export interface Reading {
  /** Reads on where `isFull` had stopped it. */
  proceed(): void;
}

/** The most bytes that arrived and are not parsed; beyond it the connection is not read. */
const mostHeldBytes = 16 * 1024;
/** The head of every request ends so: Node's parser refuses bare line feeds. */
const headEnd = Buffer.from('\r\n\r\n');
/** Bodies may hold the same bytes; shorter pieces would cost more than what they are for. */
const leastPieceBytes = 64;

/**
 * Hands what arrives on a connection to Node's parser in pieces of a request or a few, and only while `isFull` is false.
 * Node itself parses all that came in one read, which may be thousands of requests, and its own brake starts only
 * once answers pile up. A connection is read on while little is held, so that its end is noticed.
 *
 * Call it in a listener of the server's event `connection`, which comes after Node's own.
 */
export function readInPieces(socket: Socket, isFull: () => boolean): Reading {
  const [parse] = socket.listeners('data') as ((bytes: Buffer) => void)[];
  let held: Buffer = Buffer.alloc(0);
  let isPausedByUs = false;
  const proceed = (): void => {
    if (isPausedByUs && !isFull()) {
      isPausedByUs = false;
      socket.resume();
    }
    // Node pauses its socket, and its parser with it, when a body or an answer is not taken.
    while (held.length > 0 && !isFull() && !socket.isPaused() && !socket.destroyed) {
      const end = held.indexOf(headEnd, leastPieceBytes - headEnd.length);
      const piece = end === -1 ? held : held.subarray(0, end + headEnd.length);
      held = held.subarray(piece.length);
      parse?.(piece);
    }
    if (held.length >= mostHeldBytes && !socket.isPaused()) {
      isPausedByUs = true;
      socket.pause();
    }
  };
  // A listener of ours makes Node give up its direct way from the socket to the parser.
  socket.removeAllListeners('data').on('data', (bytes: Buffer) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    proceed();
  });
  // Node resumes after its own pause, and whenever a body has ended.
  socket.on('resume', proceed);
  return { proceed };
}
