import type { Answer } from '@osa/core/api';
import { asOsaError } from '@osa/core/error';
import type { Database } from '@osa/core/postgres/connection/connect';
import { requireMigrated } from '@osa/core/postgres/migrate';
import type { Logger } from 'pino';
import type { DaemonConfig } from './config/config.ts';
import type { Worker } from './worker/worker.ts';

export type Components = Answer<'ready'>['components'];
type Component = Components[string];

export interface ReadyParts {
  readonly database: Database;
  readonly worker: Worker;
  readonly isDraining: () => boolean;
  readonly log: Logger;
}

const databaseMs = 2_000;

/** The state of each part that the daemon needs. The answer is public, so the details are only in the log. */
export async function components(config: DaemonConfig, parts: ReadyParts): Promise<Components> {
  return {
    db: await databaseState(parts),
    workers: workerState(config, parts.worker),
    runner: config.runner === 'none' ? unchecked('no runner is configured: batches with hooks wait') : ok,
    ...(parts.isDraining() && { server: failing('the daemon is stopping') }),
  };
}

async function databaseState({ database, log }: ReadyParts): Promise<Component> {
  const late = Promise.withResolvers<Component>();
  const timer = setTimeout(() => late.resolve(failing(`no answer within ${databaseMs} ms`)), databaseMs);
  const asked = requireMigrated(database).then(
    () => ok,
    (error: unknown) => {
      log.warn({ err: error }, 'the database is not ready');
      return failing(asOsaError(error)?.code === 'conflict' ? 'it is not migrated' : 'it cannot be reached');
    },
  );
  const state = await Promise.race([asked, late.promise]);
  clearTimeout(timer);
  return state;
}

function workerState({ worker: { concurrency } }: DaemonConfig, worker: Worker): Component {
  if (concurrency === 0) return unchecked('this daemon runs no batches');
  return worker.trouble() === undefined ? ok : failing('batches cannot be claimed');
}

const ok: Component = { status: 'ok', detail: null };
const unchecked = (detail: string): Component => ({ status: 'unchecked', detail });
const failing = (detail: string): Component => ({ status: 'error', detail });
