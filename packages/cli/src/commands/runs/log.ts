import { StringDecoder } from 'node:string_decoder';
import { setTimeout as wait } from 'node:timers/promises';
import { OsaError } from '@osa/core/error';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { count } from '../../terminal/format.ts';
import { dim, type Line } from '../../terminal/paint.ts';

/** The log of an attempt, a line each. */
export function logLines(text: string): Line[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

const pollMs = 1_000;

/**
 * Shows what the attempts of a run say, from `attempt` on, until the run has ended.
 *
 * @throws OsaError `interrupted`; the run itself goes on
 */
export async function followLog(
  { output, signal }: Context,
  client: Client,
  { id, ...from }: { readonly id: string; readonly attempt: number },
): Promise<undefined> {
  let place = { attempt: from.attempt, after: 0 };
  let decoder = new StringDecoder('utf8');
  let rest = '';
  const say = (text: string, isEnd: boolean) => {
    const lines = `${rest}${text}`.split(/\r?\n/);
    rest = isEnd ? '' : (lines.pop() ?? '');
    output.stream(lines.filter((shown, index) => shown !== '' || index < lines.length - 1));
  };
  for (;;) {
    const tail = await client.call('followRun', { params: { id }, query: place });
    const isOver = tail.ending !== null;
    if (tail.skipped > 0) output.note(dim(`… ${count(tail.skipped)} bytes are not kept …`));
    const bytes = Buffer.from(tail.log, 'base64');
    const text = isOver ? decoder.end(bytes) : decoder.write(bytes);
    if (!output.json) say(text, isOver);
    else if (text !== '')
      output.stream([JSON.stringify({ attempt: place.attempt, log: text, skipped: tail.skipped })]);
    place = { ...place, after: tail.bytes };
    if (isOver) {
      output.note(dim(`attempt ${place.attempt}: ${tail.ending}`));
      if (tail.status !== null && place.attempt >= tail.attempt_count) return undefined;
      place = { attempt: place.attempt + 1, after: 0 };
      decoder = new StringDecoder('utf8');
      continue;
    }
    if (tail.status !== null) return undefined;
    await wait(pollMs, undefined, { signal }).catch((cause: unknown) => {
      throw new OsaError('interrupted', `interrupted; the run goes on: osa runs show ${id}`, { cause });
    });
  }
}
