import { visible } from '@osa/core/text';
import { counted } from '../../terminal/format.ts';
import { cancelCommand } from '../cancel.ts';
import { ingestionLines } from './follow.ts';

export const ingestionsCancel = cancelCommand({
  kind: 'ingestion',
  group: 'ingestions',
  description:
    'Ends an ingestion. Published records stay. Hooks that run over it are stopped, and their rows are ' +
    'discarded. The remaining records are errored with the reason; osa ingestions retry brings them in again.',
  exampleReason: 'the wrong file',
  json: 'the ingestion, as `osa ingestions show`, and "changed"',
  show: (client, id) => client.call('showIngestion', { params: { id } }),
  question({ convention_id, pending }) {
    const about = `${counted(pending, 'record')} of it ${pending === 1 ? 'is' : 'are'} not done`;
    return { about, question: `Cancel the ingestion into ${visible(convention_id)}? ${about}.` };
  },
  cancel: (client, id, body) => client.call('cancelIngestion', { params: { id }, body }),
  lines: (ingestion) => ingestionLines(ingestion),
});
