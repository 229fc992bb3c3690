import { defineCommand } from '../../command.ts';
import { counted } from '../../terminal/format.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { untilFree } from '../until-free.ts';
import { healed, waitOptions } from './heal.ts';

export const recomputesRetry = defineCommand({
  description:
    'Tries the errored records of a recompute again, under the release that is live now. A recompute that was ' +
    'cancelled or stopped goes on where it was. It waits for the end, as osa hooks recompute does.',
  arguments: { id: { description: "the recompute's id", parse: storedId } },
  options: waitOptions,
  examples: [['osa recomputes retry 0198c0de-…', 'after the disk has room again']],
  json: '{"id", "retried", "batches", "goes_on"}; unless --no-wait also "recompute" and "proof", as `osa hooks recompute`',
  async run(context, { arguments: given, options }) {
    const { output } = context;
    const client = context.client();
    const id = await fullId(client, 'recompute', given.id);
    const answer = await untilFree(context, () =>
      client.call('retryRecompute', { params: { id }, body: {} }),
    );
    const said = answer.goes_on
      ? `${counted(answer.retried, 'record')} tried again`
      : 'nothing of it has errored, and nothing is left to cut: nothing was changed';
    if (!options.wait || !answer.goes_on) {
      output.result(answer, [said]);
      return undefined;
    }
    output.note(said);
    const begun = await client.call('showRecompute', { params: { id } });
    const { recompute, proof, code, lines } = await healed(context, client, begun, options);
    output.result({ ...answer, recompute, proof }, lines);
    return code;
  },
});
