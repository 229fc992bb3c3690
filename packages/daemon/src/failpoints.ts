import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { holdAtFailpoints } from '@osa/core/failpoint';

/**
 * For tests that break a daemon at a given step. With OSA_FAILPOINT_SOCKET, the path of a unix socket, the daemon
 * tells each failpoint that it reaches in a line, `{"n": 1, "point": "claim.mid"}`, and waits there for a line with
 * the same `n`. When the other side hangs up it ends. Built programs have none of this.
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
  // The reader of lines passes on what the socket meets.
  for (const part of [socket, lines]) part.on('error', () => socket.destroy());
  socket.on('close', () => process.kill(process.pid, 'SIGKILL'));
}
