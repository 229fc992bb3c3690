import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { count } from '../../terminal/format.ts';
import { printable } from '../../terminal/paint.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { reasonOption } from '../pause.ts';
import { ingestionLines } from './follow.ts';

export const ingestionsCancel = defineCommand({
  description:
    'Ends an ingestion. What is published stays. Hooks that run over it are stopped, and write nothing; its other records ' +
    'are errored with the reason, and osa ingestions retry brings them in again.\n\n' +
    'On a terminal it asks once; elsewhere it needs --yes.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: { ...reasonOption, yes: { description: 'do not ask' } },
  examples: [
    ['osa ingestions cancel 0198c0de-…', 'after asking'],
    ['osa ingestions cancel 0198c0de-… --reason "the wrong file" --yes', 'from a script'],
  ],
  json: 'the ingestion, as `osa ingestions show`',
  async run(context, { arguments: given, options: { yes, reason } }) {
    const client = context.client();
    const id = await fullId(client, 'ingestion', given.id);
    const { output, signal, stdin } = context;
    if (!yes) {
      const { convention_id, pending } = await client.call('showIngestion', { params: { id } });
      const what = `${count(pending)} of its records are not done`;
      if (!output.interactive) {
        throw new OsaError('usage', `${what}: nobody can be asked here, so this needs --yes`, {
          field: 'yes',
        });
      }
      const { ask } = await import('../../terminal/ui/ask.tsx');
      const question = `Cancel the ingestion into ${printable(convention_id)}? ${what}.`;
      if (!(await ask({ question, signal, stdin }))) {
        output.note('nothing was changed');
        return 1;
      }
    }
    const ingestion = await client.call('cancelIngestion', { params: { id }, body: { reason } });
    output.result(ingestion, ingestionLines(ingestion));
    return undefined;
  },
});
