import { defineCommand } from '../../command.ts';
import { count, counted } from '../../terminal/format.ts';
import { storedId } from '../../terminal/parse.ts';
import { exitCodeFor, follow, ingestionLines } from './follow.ts';
import { withProgress } from './progress.ts';

export const ingestionsRetry = defineCommand({
  description:
    'Tries rejected and errored records again, in new batches under the releases that are live now. ' +
    'Records whose newer content has come in since are skipped.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: { wait: { negated: true, description: 'return as soon as the new batches are stored' } },
  examples: [['osa ingestions retry 0198c0de-…', 'after a fixed hook is deployed']],
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
