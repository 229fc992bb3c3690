import { visible } from '@osa/core/text';
import { defineCommand } from '../../command.ts';
import { line } from '../../terminal/paint.ts';
import { storedId } from '../../terminal/parse.ts';
import { confirm } from '../confirm.ts';
import { fullId } from '../full-id.ts';
import { reasonOption, unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { titleOf } from './report.ts';

export const comparisonsCancel = defineCommand({
  description:
    'Ends a comparison without a report, and stops what runs of it. A deploy that waits for it makes nothing live.\n\n' +
    'On a terminal it asks once; elsewhere it needs --yes.',
  arguments: { id: { description: "the comparison's id", parse: storedId } },
  options: { ...reasonOption, yes: { short: 'y', description: 'do not ask' } },
  examples: [
    ['osa comparisons cancel 0198c0de-…', 'after asking'],
    ['osa comparisons cancel 0198c0de-… --reason "it hangs" --yes', 'from a script'],
  ],
  json: 'the comparison, as `osa comparisons show`, and "changed"',
  async run(context, { arguments: given, options: { yes, reason } }) {
    const { output } = context;
    const client = context.client();
    const id = await fullId(client, 'comparison', given.id);
    const { hook_name, ...found } = await client.call('showComparison', { params: { id } });
    if (!yes) {
      const about = titleOf({ hook_name, ...found });
      if (!(await confirm(context, { about, question: `Cancel the comparison ${visible(about)}?` })))
        return 1;
    }
    const comparison = await untilFree(context, () =>
      client.call('cancelComparison', { params: { id }, body: { reason }, resource: hook_name }),
    );
    const { status, problem } = comparison;
    output.result(comparison, [
      line`comparison ${id}: ${status}${problem === null ? '' : `: ${problem}`}`,
      ...unchangedLines(comparison, 'had ended'),
    ]);
    return undefined;
  },
});
