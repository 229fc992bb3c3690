import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Failpoint } from '@osa/core/failpoint';
import { watchOutputs } from './outputs.ts';

/** A step of the system: a failpoint of the daemon, or one in the middle of what a hook writes, which the hook tells. */
export type Point = Failpoint | 'process.mid-output' | 'container.mid-output' | 'container.last-byte';

/** Who has reached a point and waits there. */
export interface Reached {
  readonly point: Point;
  /** The index of the daemon: that which reached it, or that whose hook did. */
  readonly daemon: number;
  /** Of a hook the id of its task: run, fence and attempt. */
  readonly task?: string;
  /** Of a hook that is a process. */
  readonly pid?: number;
}

/** What a hook in the middle of its output does next; one that stalls waits until somebody ends it. */
export type HookOrder = 'go' | 'exit' | 'exit-zero' | 'stall' | 'take-memory';

/** From when to when a hook that is a process was alive, as its connection tells. */
export interface Life {
  /** Run, fence and attempt. */
  readonly task: string;
  readonly daemon: number;
  endedAt?: number;
}

export interface Control extends AsyncDisposable {
  readonly hookSocket: string;
  readonly lives: readonly Life[];
  daemonSocket(index: number): string;
}

/** Listens where daemons and hooks tell where they are; each goes on when `decide` resolves. */
export async function startControl(
  directory: string,
  daemons: number,
  decide: (reached: Reached) => Promise<HookOrder>,
): Promise<Control> {
  const servers: Server[] = [];
  const lives: Life[] = [];
  const sockets = new Set<Socket>();
  const listen = async (
    path: string,
    welcome: (socket: Socket, answer: (text: string) => void) => (line: string) => Promise<void>,
  ) => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      const serve = welcome(socket, (text) => {
        if (socket.writable) socket.write(`${text}\n`);
      });
      // The other side may be killed at any moment; the reader of lines passes on what the socket meets.
      for (const part of [socket, createInterface({ input: socket })]) {
        part.on('error', () => socket.destroy());
        part.on('line', (line: string) => void serve(line));
      }
    });
    server.listen(path);
    await once(server, 'listening');
    servers.push(server);
  };
  const hookSocket = `${directory}/hook.sock`;
  const daemonSocket = (index: number) => `${directory}/d${index}.sock`;
  // A hook says first who it is, and a line later that it is in the middle of its output.
  await listen(hookSocket, (socket, answer) => {
    let reached: (Life & Required<Reached>) | undefined;
    return async (line) => {
      if (reached) {
        const order = await decide(reached);
        if (order !== 'stall') answer(order);
        return;
      }
      const { pid, place } = JSON.parse(line) as { pid: number; place: string };
      const [, daemon, task = ''] = /\/d(\d+)\/work\/([^/]+)\//.exec(place) ?? [];
      const life = { point: 'process.mid-output', daemon: Number(daemon), task, pid } as const;
      reached = life;
      lives.push(reached);
      socket.once('close', () => Object.assign(life, { endedAt: Date.now() }));
    };
  });
  const outputs = watchOutputs(directory, daemons, decide);
  for (let index = 0; index < daemons; index += 1) {
    await listen(daemonSocket(index), (_socket, answer) => async (line) => {
      const { n, point } = JSON.parse(line) as { n?: number; point?: Failpoint };
      if (n === undefined || point === undefined) return;
      await decide({ point, daemon: index });
      answer(JSON.stringify({ n }));
    });
  }
  return {
    hookSocket,
    lives,
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
