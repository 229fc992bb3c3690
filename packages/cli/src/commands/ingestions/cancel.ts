import { visible } from '@osa/core/text';
import { defineCommand } from '../../command.ts';
import { counted } from '../../terminal/format.ts';
import { storedId } from '../../terminal/parse.ts';
import { confirm } from '../confirm.ts';
import { fullId } from '../full-id.ts';
import { reasonOption, unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { ingestionLines, isOpen } from './follow.ts';

export const ingestionsCancel = defineCommand({
  description:
    'Ends an ingestion. Published records stay. Hooks that run over it are stopped, and their rows are ' +
    'discarded. The remaining records are errored with the reason; osa ingestions retry brings them in ' +
    'again.\n\n' +
    'On a terminal it asks once; elsewhere it needs --yes.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: { ...reasonOption, yes: { short: 'y', description: 'do not ask' } },
  examples: [
    ['osa ingestions cancel 0198c0de-…', 'after asking'],
    ['osa ingestions cancel 0198c0de-… --reason "the wrong file" --yes', 'from a script'],
  ],
  json: 'the ingestion, as `osa ingestions show`, and "changed"',
  async run(context, { arguments: given, options: { yes, reason } }) {
    const client = context.client();
    const id = await fullId(client, 'ingestion', given.id);
    const { output } = context;
    const before = yes ? undefined : await client.call('showIngestion', { params: { id } });
    // One that has ended is changed by nothing, so nobody is asked.
    if (before && isOpen(before)) {
      const { convention_id, pending } = before;
      const what = `${counted(pending, 'record')} of it ${pending === 1 ? 'is' : 'are'} not done`;
      const question = `Cancel the ingestion into ${visible(convention_id)}? ${what}.`;
      if (!(await confirm(context, { about: what, question }))) return 1;
    }
    const ingestion = await untilFree(context, () =>
      client.call('cancelIngestion', { params: { id }, body: { reason } }),
    );
    output.result(ingestion, [...ingestionLines(ingestion), ...unchangedLines(ingestion, 'had ended')]);
    return undefined;
  },
});
