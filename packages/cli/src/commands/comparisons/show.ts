import { defineCommand } from '../../command.ts';
import { time } from '../../terminal/format.ts';
import { line } from '../../terminal/paint.ts';
import { storedId } from '../../terminal/parse.ts';
import { pairs } from '../../terminal/table.ts';
import { fullId } from '../full-id.ts';
import { reportLines, titleOf } from './report.ts';

export const comparisonsShow = defineCommand({
  description:
    'Shows a comparison: what a release would change in the rows of published records. Everybody sees the counts. Examples ' +
    'and largest differences need a key whose tokens may carry runs:read.',
  arguments: { id: { description: "the comparison's id", parse: storedId } },
  examples: [['osa comparisons show 0198c0de-…', 'the report, with ten examples']],
  json: '{"id", "hook_name", "version", "against", "seed", "sample", "status", "deploy": {"id", "slug"}, "report": {"records", "changed_records", …}, …}',
  async run({ client, output }, { arguments: given }) {
    const archive = client();
    const id = await fullId(archive, 'comparison', given.id);
    const answer = await archive.call('showComparison', { params: { id }, scopes: ['runs:read'] });
    const { report, problem, status, deploy, started_by, started_at, finished_at } = answer;
    output.result(answer, [
      ...(report ? reportLines(answer, report, undefined) : [titleOf(answer)]),
      '',
      ...pairs([
        ['comparison', id],
        ['status', problem === null ? status : line`${status}: ${problem}`],
        ...(deploy === null ? [] : ([['deploy', deploy.id]] as const)),
        ['by', started_by.subject],
        ['when', `${time(started_at)}${finished_at === null ? '' : ` to ${time(finished_at)}`}`],
      ]),
    ]);
    return undefined;
  },
});
