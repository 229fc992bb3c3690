import { execa } from 'execa';
import { systemEnvironment } from './environment.ts';

const timeoutMs = 10_000;

/**
 * Sends states such as `READY=1` to the service manager that listens at `socket`, as sd_notify(3) does. Node has no
 * datagram sockets of this kind, so systemd's own program sends them.
 *
 * @returns why it failed; undefined when it was sent
 */
export async function notifySystemd(socket: string, states: readonly string[]): Promise<string | undefined> {
  const result = await execa('systemd-notify', states, {
    env: { ...systemEnvironment, NOTIFY_SOCKET: socket },
    extendEnv: false,
    stdin: 'ignore',
    timeout: timeoutMs,
    maxBuffer: 10_000,
    reject: false,
  });
  return result.failed ? result.stderr || result.shortMessage : undefined;
}
