import type { Writable } from 'node:stream';
import type { OsaError } from '@osa/core/error';
import { type Line, line, red, render } from './paint.ts';

/**
 * What a command says. Its result goes to stdout, all else to stderr. With `--json` stdout gets one JSON document
 * and nothing else, whether the command succeeds or not.
 */
export interface Output {
  readonly json: boolean;
  /** Whether a person can be asked and shown things that move: terminals on both sides, no CI, and no `--json`. */
  readonly interactive: boolean;
  /** The result, once per command: the document of `--json`, or lines. */
  result(document: unknown, lines: readonly Line[]): void;
  /** A part of a result that comes little by little, to stdout; with `--json` each line is a document. */
  stream(lines: readonly Line[]): void;
  /** Messages and progress, to stderr. */
  note(...lines: readonly Line[]): void;
  /** An error: the document `{"error": {code, message, field, details}}` with `--json`, lines on stderr else. */
  failure(error: OsaError): void;
}

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

export function createOutput(
  streams: Streams,
  options: { readonly json: boolean; readonly colours: boolean; readonly attended: boolean },
): Output {
  const { json } = options;
  const write = (stream: Streams['stdout'], lines: readonly Line[]) => {
    const colours = options.colours && stream.isTTY === true;
    for (const content of lines) stream.write(`${render(content, colours)}\n`);
  };
  const writeJson = (document: unknown) => streams.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  return {
    json,
    interactive: !json && options.attended && streams.stdin.isTTY === true && streams.stderr.isTTY === true,
    result: (document, lines) => (json ? writeJson(document) : write(streams.stdout, lines)),
    stream: (lines) =>
      json ? streams.stdout.write(lines.map((text) => `${text}\n`).join('')) : write(streams.stdout, lines),
    note: (...lines) => write(streams.stderr, lines),
    failure: (error) => (json ? writeJson(errorDocument(error)) : write(streams.stderr, failureLines(error))),
  };
}

function errorDocument({ code, message, field, details }: OsaError) {
  return { error: { code, message, field: field ?? null, details } };
}

/**
 * Problems of a file stand as they are, one per line, so that an editor can jump to them. Of what was sent, the message
 * has the first; the others follow it.
 */
function failureLines({ message, details }: OsaError): Line[] {
  const [first = '', ...rest] = message.split('\n');
  const problems = listOf(details.problems);
  if (problems.some((problem) => 'file' in problem)) return [first, ...rest];
  const others = problems
    .slice(1)
    .flatMap((problem) => ('message' in problem ? [String(problem.message)] : []));
  return [line`${red('error:')} ${first}`, ...[...rest, ...others].map((text) => `       ${text}`)];
}

function listOf(problems: unknown): object[] {
  return Array.isArray(problems) ? problems.map(Object) : [];
}
