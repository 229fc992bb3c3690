import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import { count, counted } from '../../terminal/format.ts';
import { bold, type Line, line } from '../../terminal/paint.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { followIngestion, ingestionLines } from './follow.ts';
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
  json: '{"id", "retried", "overtaken", "batches", "invalid", "pending", "running": [{"hook", "version", "batches"}]}; unless --no-wait also "ingestion" and "failures", as `osa ingest`',
  async run(context, { arguments: given, options }) {
    const { output, signal } = context;
    refuseUnwaited(options);
    const client = context.client();
    const id = await fullId(client, 'ingestion', given.id);
    const answer = await client.call('retryIngestion', { params: { id }, body: {} });
    const { retried, overtaken } = answer;
    const left =
      overtaken > 0 ? `, ${count(overtaken)} left alone, since their sources came in again later` : '';
    const said = `${counted(retried, 'record')} tried again${left}`;
    if (!options.wait || retried === 0) {
      output.result(answer, retried === 0 ? nothingLines(answer) : [said]);
      return undefined;
    }
    const began = new Date().toISOString();
    output.note(said);
    const waited = await withProgress(output, false, (progress) =>
      followIngestion(
        client,
        { id },
        { progress, signal, renew: context.client, timeoutMs: options.timeout },
      ),
    );
    const { ingestion } = waited;
    const failures = await readFailures(context.client(), ingestion);
    output.result({ ...answer, ingestion, failures: failures?.items ?? [] }, [
      ...ingestionLines(ingestion, { began }),
      ...failureLines(ingestion, failures),
    ]);
    const { code, why } = verdictOf(waited, options);
    if (why !== undefined) output.note(`exit code ${code}: ${why}`);
    return code;
  },
});

/** Why nothing is tried again. */
function nothingLines({ id, overtaken, invalid, pending, running }: Answer<'retryIngestion'>): Line[] {
  const because = [
    ...(overtaken === 0
      ? ['none has failed']
      : [
          `the sources of ${counted(overtaken, 'failed record')} came in again later, and that content counts`,
        ]),
    ...(invalid === 0
      ? []
      : [
          `${counted(invalid, 'record')} ${invalid === 1 ? 'breaks' : 'break'} the schema: correct and ingest again`,
        ]),
    ...(pending === 0 ? [] : [`${count(pending)} ${pending === 1 ? 'is' : 'are'} ${standing(running)}`]),
  ];
  return [
    line`0 records tried again: ${because.join('; ')}`,
    ...(running.length === 0 ? [] : [line`to end these first: ${bold(`osa ingestions cancel ${id}`)}`]),
  ];
}

function standing(running: Answer<'retryIngestion'>['running']): string {
  if (running.length === 0) return 'still waiting to run';
  return `not done; claimed batches run under ${running.map(({ hook, version }) => `${hook} v${version}`).join(', ')}`;
}
