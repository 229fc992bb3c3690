import type { Params } from '@osa/core/api';
import { defineCommand } from '../command.ts';
import type { Client } from '../http/client.ts';
import type { Line } from '../terminal/paint.ts';
import { storedId } from '../terminal/parse.ts';
import { confirm } from './confirm.ts';
import { fullId } from './full-id.ts';
import { reasonOption, unchangedLines } from './pause.ts';
import { untilFree } from './until-free.ts';

/** Work that can be cancelled: how it is shown and ended. `Found` is work that may have ended, `Ended` has. */
interface Cancellable<Found, Ended> {
  readonly kind: Params<'findIds'>['kind'];
  /** The plural, by which the commands about it begin. */
  readonly group: string;
  /** Says what becomes of the work. */
  readonly description: string;
  readonly exampleReason: string;
  readonly json: string;
  readonly show: (client: Client, id: string) => Promise<Found>;
  readonly question: (found: Found) => Parameters<typeof confirm>[1];
  readonly cancel: (
    client: Client,
    id: string,
    body: { readonly reason?: string | undefined },
  ) => Promise<Ended>;
  readonly lines: (ended: Ended) => Line[];
}

/** The command that cancels work after asking once. Work that has ended is changed by nothing, so nobody is asked. */
export function cancelCommand<
  Found extends { readonly finished_at: string | null },
  Ended extends { readonly changed: boolean },
>(of: Cancellable<Found, Ended>) {
  const command = `osa ${of.group} cancel 0198c0de-…`;
  return defineCommand({
    description: `${of.description}\n\nOn a terminal it asks once; elsewhere it needs --yes.`,
    arguments: { id: { description: `the ${of.kind}'s id`, parse: storedId } },
    options: { ...reasonOption, yes: { short: 'y', description: 'do not ask' } },
    examples: [
      [command, 'after asking'],
      [`${command} --reason "${of.exampleReason}" --yes`, 'from a script'],
    ],
    json: of.json,
    async run(context, { arguments: given, options: { yes, reason } }) {
      const client = context.client();
      const id = await fullId(client, of.kind, given.id);
      if (!yes) {
        const found = await of.show(client, id);
        if (found.finished_at === null && !(await confirm(context, of.question(found)))) return 1;
      }
      const ended = await untilFree(context, () => of.cancel(client, id, { reason }));
      context.output.result(ended, [...of.lines(ended), ...unchangedLines(ended, 'had ended')]);
      return undefined;
    },
  });
}
