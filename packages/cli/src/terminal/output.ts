import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { visibleJson } from '@osa/core/text';
import { type Line, line, red, render, type Screen } from './paint.ts';

/**
 * The voice of a command. Its result goes to stdout, everything else to stderr. With `--json` stdout gets one JSON document
 * and nothing else, whether the command succeeds or not.
 */
export interface Output {
  readonly json: boolean;
  /** Whether a person can be asked and shown things that move: terminals on both sides, no CI, and no `--json`. */
  readonly interactive: boolean;
  /** Whether that terminal shows signs that move, which are beyond ASCII. */
  readonly animated: boolean;
  /** The result, once per command: the document of `--json`, or lines. */
  result(document: unknown, lines: readonly Line[]): void;
  /** A part of a result that comes little by little, to stdout; with `--json` each line is a document. */
  stream(lines: readonly Line[]): void;
  /** A document in a format of its own, or a line of one, to stdout: exactly as it is, also with `--json`. */
  document(text: string): void;
  /** A result that takes the place of the one before: on a terminal the screen is cleared first. */
  screen(lines: readonly Line[]): void;
  /** A part of a result as it is, which waits until it is taken. On a terminal nothing in it acts. */
  bytes(text: Buffer): Promise<void>;
  /** Messages and progress, to stderr. */
  note(...lines: readonly Line[]): void;
  /** An error: the document `{"error": {code, message, field, details}}` with `--json`, lines on stderr else. */
  failure(error: OsaError): void;
}

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** How the environment wants text to be shown; `auto` is colours on terminals only. */
export interface Display {
  readonly colours: boolean | 'auto';
  readonly isAscii: boolean;
}

/** An error that somebody else worded: its message stays one line, whatever it holds. */
export class RefusalFromServer extends OsaError {}

export function createOutput(
  streams: Streams,
  {
    json,
    attended,
    display,
  }: { readonly json: boolean; readonly attended: boolean; readonly display: Display },
): Output {
  const write = (stream: OutputStream, lines: readonly Line[]) => {
    const screen = screenOf(stream, display);
    for (const content of lines) stream.write(`${render(content, screen)}\n`);
  };
  // Exact for programs; on a terminal nothing of it may act.
  const writeJson = (text: string) =>
    streams.stdout.write(`${streams.stdout.isTTY === true ? visibleJson(text) : text}\n`);
  const result = (document: unknown) => writeJson(JSON.stringify(document, null, 2));
  const interactive = !json && attended && streams.stdin.isTTY === true && streams.stderr.isTTY === true;
  return {
    json,
    interactive,
    animated: interactive && !display.isAscii,
    result: (document, lines) => (json ? result(document) : write(streams.stdout, lines)),
    stream: (lines) => (json ? lines.map((text) => writeJson(String(text))) : write(streams.stdout, lines)),
    bytes: async (text) => {
      const shown = streams.stdout.isTTY === true ? visibleJson(text.toString()) : text;
      if (!streams.stdout.write(shown)) await once(streams.stdout, 'drain');
    },
    document: (text) => void writeJson(text),
    screen: (lines) => {
      if (streams.stdout.isTTY === true) streams.stdout.write('\x1b[H\x1b[2J');
      write(streams.stdout, lines);
    },
    note: (...lines) => write(streams.stderr, lines),
    failure: (error) => (json ? result(errorDocument(error)) : write(streams.stderr, failureLines(error))),
  };
}

export function screenOf(stream: OutputStream, { colours, isAscii }: Display): Screen {
  const isTerminal = stream.isTTY === true;
  return {
    isTerminal,
    isAscii,
    columns: isTerminal ? stream.columns : undefined,
    colours: colours === 'auto' ? isTerminal : colours,
  };
}

function errorDocument({ code, message, field, details }: OsaError) {
  return { error: { code, message, field: field ?? null, details } };
}

/**
 * Problems of a file are shown one per line, as they are, so that an editor can jump to them. A server's message has the
 * first of its problems; the others follow it, marked, so that no text of a server begins a line.
 */
function failureLines(error: OsaError): Line[] {
  const { message, details } = error;
  const isOurs = !isFromServer(error);
  const [first = '', ...rest] = isOurs ? message.split('\n') : [message];
  const problems = listOf(details.problems);
  if (isOurs && problems.some((problem) => 'file' in problem)) return [first, ...rest];
  const others = problems
    .slice(1)
    .flatMap((problem) => ('message' in problem ? [String(problem.message)] : []));
  return [line`${red('error:')} ${first}`, ...[...rest, ...others].map((text) => `     - ${text}`)];
}

/** Whether a server worded it, or a part of it. */
function isFromServer(error: unknown): boolean {
  if (error instanceof RefusalFromServer) return true;
  return error instanceof Error && error.cause !== undefined && isFromServer(error.cause);
}

function listOf(problems: unknown): object[] {
  return Array.isArray(problems) ? problems.map(Object) : [];
}
