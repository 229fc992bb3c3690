import { defineCommand } from '../../command.ts';
import { count, counted } from '../../terminal/format.ts';
import { storedId } from '../../terminal/parse.ts';
import { exitCodeFor, follow, ingestionLines } from './follow.ts';
import { withProgress } from './progress.ts';

export const ingestionsRetry = defineCommand({
  description:
    'Tries again what was rejected or errored, in a new batch under the releases that are live then. Records whose ' +
    'source came in again later are left alone.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: { wait: { negated: true, description: 'return as soon as the new batches are stored' } },
  examples: [['osa ingestions retry 0198c0de-…', 'after the hook was mended and deployed']],
  json: '{"id", "retried", "overtaken", "batches"}; the ingestion as well, under "ingestion", unless --no-wait',
  async run(context, { arguments: { id }, options }) {
    const { output, signal } = context;
    const client = context.client();
    const answer = await client.call('retryIngestion', { params: { id }, body: {} });
    const said = `${counted(answer.retried, 'record')} tried again, ${count(answer.overtaken)} left alone`;
    if (!options.wait || answer.retried === 0) {
      output.result(answer, [said]);
      return undefined;
    }
    output.note(said);
    const ingestion = await withProgress(output, (progress) => follow(client, { id }, { progress, signal }));
    output.result({ ...answer, ingestion }, ingestionLines(ingestion));
    return exitCodeFor(ingestion);
  },
});
