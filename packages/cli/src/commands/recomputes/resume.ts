import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { recomputeLines } from './lines.ts';

export const recomputesResume = defineCommand({
  description: 'Resumes a paused recompute.',
  arguments: { id: { description: "the recompute's id", parse: storedId } },
  examples: [['osa recomputes resume 0198c0de-…', 'its batches are claimed again']],
  json: 'the recompute, as `osa recomputes show`, and "changed"',
  async run(context, { arguments: given }) {
    const client = context.client();
    const id = await fullId(client, 'recompute', given.id);
    const recompute = await untilFree(context, () =>
      client.call('resumeRecompute', { params: { id }, body: {} }),
    );
    context.output.result(recompute, [
      ...recomputeLines(recompute),
      ...unchangedLines(recompute, 'was not paused'),
    ]);
    return undefined;
  },
});
