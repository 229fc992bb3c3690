import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { type Line, line } from '../../terminal/paint.ts';
import { storedId } from '../../terminal/parse.ts';
import { table } from '../../terminal/table.ts';
import { fullId } from '../full-id.ts';
import { pagingOptions } from '../paging.ts';
import { ingestionLines } from './follow.ts';
import { failureLines, readFailures } from './reasons.ts';

export const ingestionsShow = defineCommand({
  description:
    'Shows an ingestion: its counts, and why it waits. With --failed, lists its invalid, rejected and ' +
    'errored records with the reasons. Records that were tried again since are left out.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: {
    failed: { description: 'list the records that failed, and why' },
    ...pagingOptions,
  },
  examples: [
    ['osa ingestions show 0198c0de-…', 'its counts'],
    ['osa ingestions show 0198c0de-… --failed', 'what failed, and why'],
  ],
  json: 'the ingestion, and "failures": the most frequent reasons; with --failed {"items": [{"source_id", "line", "batch", "status", "reason", "record_srn",\n"outcomes": [{"hook", "version", "status", "reason"}]}], "next_cursor"}',
  async run(context, { arguments: given, options: { failed, ...page } }) {
    const { output } = context;
    const client = context.client();
    const id = await fullId(client, 'ingestion', given.id);
    if (!failed) {
      const ingestion = await client.call('showIngestion', { params: { id } });
      const failures = await readFailures(client, ingestion);
      output.result({ ...ingestion, failures: failures?.items ?? [] }, [
        ...ingestionLines(ingestion),
        ...failureLines(ingestion, failures),
      ]);
      return undefined;
    }
    const answer = await client.call('listIngestionRecords', {
      params: { id },
      query: { ...page, status: 'failed' },
    });
    output.result(answer, failedLines(answer));
    output.note(
      ...nextPage({
        commandLine: `osa ingestions show ${id}`,
        options: { failed, ...page },
        server: client.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});

type FailedRecord = Answer<'listIngestionRecords'>['items'][number];

function failedLines({ items }: Answer<'listIngestionRecords'>): Line[] {
  if (items.length === 0) return ['nothing failed'];
  const rows = items.flatMap((record) =>
    reasonsOf(record).map(({ by, reason }) => [
      String(record.line),
      record.source_id,
      record.status,
      by,
      // A styled line, which the table does not cut: the reason is what was asked for.
      reason === null ? null : line`${reason}`,
    ]),
  );
  return table(['line', 'source id', 'status', 'by', 'reason'], rows);
}

/** Why a record failed: the schema's reason, or that of each hook that did not pass it. */
function reasonsOf({ reason, outcomes }: FailedRecord): { by: string | null; reason: string | null }[] {
  const found = outcomes
    .filter(({ status }) => status !== 'passed')
    .map((outcome) => ({ by: `${outcome.hook} v${outcome.version}`, reason: outcome.reason }));
  return found.length > 0 ? found : [{ by: null, reason }];
}
