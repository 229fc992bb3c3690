import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import {
  chooseRelease,
  confirmMove,
  moveLines,
  moveOptions,
  tellingWhatMoved,
  versionArgument,
} from './move-pointer.ts';

export const hooksActivate = defineCommand({
  description:
    'Makes any release of a hook live, newer or older than the current one. Batches that are claimed ' +
    'afterwards run it. Existing rows keep the release that made them.\n\n' +
    'On a terminal it shows the change and asks once; elsewhere it needs --yes. If someone changed the ' +
    'live release after it was shown, nothing happens and osa shows the current state.',
  arguments: {
    hook: { description: "the hook's name" },
    version: { description: 'the version to make live; or --choose', optional: true },
  },
  options: moveOptions,
  examples: [
    ['osa hooks activate seismic_energy 3', 'v3, after asking'],
    ['osa hooks activate seismic_energy 3 --reason "checked on May" --yes', 'from a script'],
  ],
  json: '{"hook_name", "changed", "from_version", "live_version", "live_seq", "live_release_id", "reason", "at"}',
  async run(context, { arguments: { hook: name, version }, options: { choose, reason, yes } }) {
    if ((version === undefined) !== choose) {
      throw new OsaError('usage', 'name the version to make live, or --choose, and not both', {
        field: 'version',
      });
    }
    const given = version === undefined ? undefined : versionArgument('version', version);
    const client = context.client();
    const hook = await client.call('showHook', { params: { name } });
    const target = given ?? (await chooseRelease(context, client, { hook, older: false }));
    // What the server will refuse, and what is live already, needs no question.
    const isOpen = target !== hook.live?.version && (target ?? 0) <= hook.release_count;
    const move = { hook, target, isOpen, verb: 'Activate' } as const;
    if (target === undefined || !(yes || (await confirmMove(context, client, move)))) {
      context.output.note('nothing was changed');
      return 1;
    }
    const answer = await tellingWhatMoved(context, client, hook, () =>
      client.call('activate', {
        params: { name },
        body: { version: target, reason, expected_live_seq: hook.live_seq ?? undefined },
      }),
    );
    context.output.result(answer, moveLines(answer));
    return undefined;
  },
});
