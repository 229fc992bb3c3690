import { currentRequest } from '@osa/core/request-context';
import { visible } from '@osa/core/text';
import { type DestinationStream, type Logger, pino } from 'pino';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** Short lines for a person at a terminal, instead of JSON lines. */
  readonly readable: boolean;
  /** Standard error by default, written synchronously so that the last lines before an end are not lost. */
  readonly destination?: DestinationStream;
}

export function createLog({ level, readable, destination }: LogOptions): Logger {
  const target = destination ?? pino.destination({ fd: 2, sync: true });
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: requestFacts,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ['authorization', '*.authorization', '*.*.authorization', '*.headers.Authorization'],
  };
  return pino(options, readable ? { write: (line: string) => target.write(toReadable(line)) } : target);
}

/** Every line of a request names it and its trace. */
function requestFacts(): object {
  const request = currentRequest();
  return request ? { request_id: request.id, trace_id: request.traceId } : {};
}

/** `12:03:04 warn  batch parked · batch=7 reason="no runner"`. */
function toReadable(line: string): string {
  const { time, level, msg, err, ...details } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 19);
  const facts = Object.entries(details).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const tail = facts.length > 0 ? ` · ${facts.join(' ')}` : '';
  // Facts and errors hold text of others. It must neither control the terminal nor look like a line of ours.
  return `${visible(`${clock} ${String(level).padEnd(5)} ${String(msg ?? '')}${tail}`)}\n${errorLines(err)}`;
}

/** The stack of an error and its causes, as the logger gives it. */
function errorLines(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('stack' in error)) return '';
  const lines = String(error.stack).split('\n');
  return lines.map((line) => `    ${visible(line)}\n`).join('');
}
