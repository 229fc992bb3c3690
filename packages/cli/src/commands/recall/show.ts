import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { listTouched } from '../trace/impact.ts';
import { recallLines } from './lines.ts';

export const recallShow = defineCommand({
  description:
    'Shows a recall: its fact, its reason, and the rows and records that it selects, by release and by convention, from ' +
    'counts that are kept. With --list it prints the names of the rows instead.',
  arguments: { id: { description: "the recall's id", parse: storedId } },
  options: {
    list: { description: 'print the names of the rows, one a line; with --json one document a line' },
  },
  examples: [
    ['osa recall show 0198c0de-…', 'what it selects'],
    ['osa recall show 0198c0de-… --list > rows.txt', 'the names of all rows'],
  ],
  json: '{"id", "fact", "asked", "reason", "advice", "closed", "current": {"records", "rows"}, "made", "releases", "conventions", …}; with --list {"name", "record_srn", "source_id", "release", "current"} a line',
  async run(context, { arguments: given, options: { list } }) {
    const client = context.client();
    const id = await fullId(client, 'recall', given.id);
    if (list) {
      return listTouched(context, (query) => client.call('recallRows', { params: { id }, query }));
    }
    const recall = await client.call('showRecall', { params: { id } });
    context.output.result(recall, recallLines(recall));
    return undefined;
  },
});
