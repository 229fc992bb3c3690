import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { holdAtFailpoints } from '@osa/core/failpoint';

/**
 * For tests that break a daemon at a given step. OSA_FAILPOINT_SOCKET is the path of a unix socket. At each failpoint
 * the daemon writes a line, `{"n": 1, "point": "claim.mid"}`, and waits for a line with the same `n`. It ends when the
 * other side hangs up. Built programs have no failpoints.
 */
export async function obeyFailpoints(environment: NodeJS.ProcessEnv): Promise<void> {
  const path = environment.OSA_FAILPOINT_SOCKET;
  if (!path) return;
  const socket = createConnection(path);
  await once(socket, 'connect');
  socket.write(`${JSON.stringify({ pid: process.pid })}\n`);
  const waiting = new Map<number, () => void>();
  let count = 0;
  holdAtFailpoints(async (point) => {
    count += 1;
    const n = count;
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.set(n, resolve);
    socket.write(`${JSON.stringify({ n, point })}\n`);
    await promise;
  });
  const lines = createInterface({ input: socket });
  lines.on('line', (line) => {
    const { n } = JSON.parse(line) as { readonly n: number };
    waiting.get(n)?.();
    waiting.delete(n);
  });
  // The line reader repeats errors of the socket.
  for (const part of [socket, lines]) part.on('error', () => socket.destroy());
  socket.on('close', () => process.kill(process.pid, 'SIGKILL'));
}
