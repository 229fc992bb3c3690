import { defineCommand } from '../../command.ts';
import { count, counted } from '../../terminal/format.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { follow, ingestionLines } from './follow.ts';
import { withProgress } from './progress.ts';
import { failureLines, readFailures } from './reasons.ts';
import { refuseUnwaited, verdictOf, verdictOptions } from './verdict.ts';

export const ingestionsRetry = defineCommand({
  description:
    'Tries rejected and errored records again, in new batches under the releases that are live now. ' +
    'Records whose newer content has come in since are skipped.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: {
    ...verdictOptions,
    wait: { negated: true, description: 'return as soon as the new batches are stored' },
  },
  examples: [['osa ingestions retry 0198c0de-…', 'after a fixed hook is deployed']],
  json: '{"id", "retried", "overtaken", "batches"}; unless --no-wait also "ingestion" and "failures", as `osa ingest`',
  async run(context, { arguments: given, options }) {
    const { output, signal } = context;
    refuseUnwaited(options);
    const client = context.client();
    const id = await fullId(client, 'ingestion', given.id);
    const answer = await client.call('retryIngestion', { params: { id }, body: {} });
    const said = `${counted(answer.retried, 'record')} tried again, ${count(answer.overtaken)} left alone`;
    if (!options.wait || answer.retried === 0) {
      output.result(answer, [said]);
      return undefined;
    }
    output.note(said);
    const waited = await withProgress(output, false, (progress) =>
      follow(client, { id }, { progress, signal, timeoutMs: options.timeout }),
    );
    const { ingestion } = waited;
    const failures = await readFailures(client, ingestion);
    output.result({ ...answer, ingestion, failures: failures?.items ?? [] }, [
      ...ingestionLines(ingestion),
      ...failureLines(ingestion, failures),
    ]);
    const { code, why } = verdictOf(waited, options);
    if (why !== undefined) output.note(`exit code ${code}: ${why}`);
    return code;
  },
});
