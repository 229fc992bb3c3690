import { connect } from '@osa/core/postgres/connection/connect';
import { type Pruned, prune } from '@osa/core/postgres/upkeep/prune';
import { readSettings } from '../config/read-settings.ts';

export interface PruneOptions {
  readonly url: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly config: string | undefined;
  /** Instead of those of the settings. */
  readonly logDays: number | undefined;
  readonly eventDays: number | undefined;
  readonly isPlan: boolean;
  readonly json: boolean;
  readonly write: (text: string) => Promise<void>;
  /** Called after each page, where people watch. */
  readonly note: ((text: string) => void) | undefined;
}

/**
 * `osad prune`: removes old entries of growing tables by age, but never history.
 *
 * @throws OsaError `usage`, `access_denied` (not the owner), `conflict` (not migrated), `unavailable`
 */
export async function pruneArchive(options: PruneOptions): Promise<void> {
  const { url, environment, config, isPlan, json, write, note } = options;
  const settings = readSettings(environment, config);
  const logDays = options.logDays ?? settings.keep_logs_days;
  const eventDays = options.eventDays ?? settings.keep_events_days;
  const database = connect({ url, max: 1, applicationName: 'osad prune', statementTimeoutMs: 300_000 });
  try {
    const onPage = async (sofar: Pruned) => note?.(`osad: ${textOf(sofar)} so far\n`);
    const pruned = await prune(database, { logDays, eventDays, isPlan, onPage });
    const kept = { keep_logs_days: logDays ?? null, keep_events_days: eventDays ?? null };
    if (json) await write(`${JSON.stringify({ plan: isPlan, ...kept, ...pruned })}\n`);
    else
      await write(
        `osad: ${isPlan ? 'would remove' : 'removed'} ${textOf(pruned)}\n${forever(logDays, eventDays)}`,
      );
  } finally {
    await database.close();
  }
}

function textOf({ logs, log_bytes, events, answers }: Pruned): string {
  return `the logs of ${logs} attempts (${log_bytes} bytes), ${events} notices and ${answers} stored answers`;
}

/** Without an age, nothing of a kind is removed; the output says so. */
function forever(logDays: number | undefined, eventDays: number | undefined): string {
  const kinds = [
    ...(logDays === undefined ? ['logs (OSA_KEEP_LOGS_DAYS or --logs-days)'] : []),
    ...(eventDays === undefined ? ['notices (OSA_KEEP_EVENTS_DAYS or --events-days)'] : []),
  ];
  return kinds.length === 0 ? '' : `osad: without an age, all are kept of: ${kinds.join(', ')}\n`;
}
