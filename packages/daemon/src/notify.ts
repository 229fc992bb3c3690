import { notifySystemd } from '@osa/core/system/systemd-notify';
import type { Logger } from 'pino';

/** Says to the service manager how the daemon is. */
export interface ServiceManager {
  ready(): Promise<void>;
  stopping(): Promise<void>;
}

/** Under systemd's `Type=notify`, NOTIFY_SOCKET names the manager's socket. Without it nothing is sent. */
export function serviceManager(environment: NodeJS.ProcessEnv, log: Logger): ServiceManager {
  const socket = environment.NOTIFY_SOCKET;
  const send = async (...states: readonly string[]): Promise<void> => {
    if (!socket) return;
    const flaw = await notifySystemd(socket, states);
    if (flaw !== undefined) log.error({ states, reason: flaw.slice(0, 500) }, advice);
  };
  return {
    ready: () => send('READY=1', `MAINPID=${process.pid}`),
    stopping: () => send('STOPPING=1'),
  };
}

const advice =
  'cannot notify the service manager, which then takes the start for failed; install systemd-notify, or set Type=exec';
