import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { integer } from '../../terminal/parse.ts';
import {
  chooseRelease,
  confirmMove,
  moveLines,
  moveOptions,
  newestVersion,
  tellingWhatMoved,
} from './move-pointer.ts';

export const hooksRollback = defineCommand({
  description:
    'Makes an earlier release of a hook live: by default the release that was live before the current ' +
    'one. Batches that are claimed afterwards run it. Existing rows keep the release that made them.\n\n' +
    'On a terminal it shows the change and asks once; elsewhere it needs --yes. If someone changed the ' +
    'live release after it was shown, nothing happens and osa shows the current state.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    to: {
      value: 'N',
      description: 'the version to go back to',
      parse: integer(1, newestVersion),
    },
    ...moveOptions,
  },
  examples: [
    ['osa hooks rollback seismic_energy', 'to the release before, after asking'],
    ['osa hooks rollback seismic_energy --choose', 'to one of the older releases'],
    ['osa hooks rollback seismic_energy --to 1 --reason "wrong units" --yes', 'to v1, from a script'],
  ],
  json: '{"hook_name", "changed", "from_version", "live_version", "live_seq", "live_release_id", "reason", "at"}',
  async run(context, { arguments: { hook: name }, options: { to, choose, reason, yes } }) {
    if (choose && to !== undefined) {
      throw new OsaError('usage', '--choose and --to: give one of them', { field: 'choose' });
    }
    const client = context.client();
    const hook = await client.call('showHook', { params: { name } });
    const target = choose
      ? await chooseRelease(context, client, { hook, older: true })
      : // Unasked, the server finds the target itself, under its lock.
        (to ?? (yes ? undefined : (hook.rollback_to ?? undefined)));
    const isLeft = choose && target === undefined;
    // What the server will refuse needs no question, and its refusal says what there is.
    const isOpen = target !== undefined && target < (hook.live?.version ?? 0);
    const move = { hook, target, isOpen, verb: 'Roll back' } as const;
    if (isLeft || !(yes || (await confirmMove(context, client, move)))) {
      context.output.note('nothing was changed');
      return 1;
    }
    const answer = await tellingWhatMoved(context, client, hook, () =>
      client.call('rollback', {
        params: { name },
        body: { to: target, reason, expected_live_seq: hook.live_seq ?? undefined },
      }),
    );
    context.output.result(answer, moveLines(answer));
    return undefined;
  },
});
