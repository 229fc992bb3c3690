import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Failpoint } from '@osa/core/failpoint';
import { type Outputs, watchOutputs } from './invariants/outputs.ts';

/** A step of the system: a failpoint of the daemon, or one in the middle of what a hook writes, which the hook tells. */
export type Point = Failpoint | 'process.mid-output' | 'container.mid-output' | 'container.last-byte';

/** A process that has reached a point and waits there. */
export interface Reached {
  readonly point: Point;
  /** The index of the daemon: that which reached it, or that whose hook did. */
  readonly daemon: number;
  /** The id of a hook's task: run, fence and attempt. */
  readonly task?: string | undefined;
  /** The process of a hook that is one. */
  readonly pid?: number | undefined;
}

/** The next act of a hook in the middle of its output; one that stalls waits until somebody ends it. */
export type HookOrder = 'go' | 'exit' | 'exit-zero' | 'stall' | 'take-memory';

export interface Control extends AsyncDisposable {
  /** Where hooks tell. */
  readonly outputs: Outputs;
  daemonSocket(index: number): string;
}

/** Hears where daemons and hooks are; each goes on when `decide` resolves. */
export async function startControl(
  directory: string,
  daemons: number,
  decide: (reached: Reached) => Promise<HookOrder>,
): Promise<Control> {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const serve = async (daemon: number, line: string, socket: Socket) => {
    const { n, point } = JSON.parse(line) as { n?: number; point?: Failpoint };
    if (n === undefined || point === undefined) return;
    await decide({ point, daemon });
    if (socket.writable) socket.write(`${JSON.stringify({ n })}\n`);
  };
  const daemonSocket = (index: number) => `${directory}/d${index}.sock`;
  for (let index = 0; index < daemons; index += 1) {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      // The other side may be killed at any moment; the reader of lines passes on what the socket meets.
      for (const part of [socket, createInterface({ input: socket })]) {
        part.on('error', () => socket.destroy());
        part.on('line', (line: string) => void serve(index, line, socket));
      }
    });
    server.listen(daemonSocket(index));
    await once(server, 'listening');
    servers.push(server);
  }
  const outputs = watchOutputs(directory, daemons, decide);
  return {
    outputs,
    daemonSocket,
    async [Symbol.asyncDispose]() {
      await outputs[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      await Promise.all(
        servers.map(async (server) => {
          server.close();
          await once(server, 'close');
        }),
      );
    },
  };
}
