import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { untilFree } from '../until-free.ts';
import {
  chooseRelease,
  concludeMove,
  confirmMove,
  moveOptions,
  refuseUnhealed,
  requireRelease,
  tellingWhatMoved,
  versionArgument,
} from './move-pointer.ts';

export const hooksActivate = defineCommand({
  description:
    'Makes any release of a hook live, newer or older than the current one. Batches that are claimed ' +
    'afterwards run it. Existing rows keep the release that made them, ' +
    'unless --heal has the rows of the release that is left computed again; then it ends with the number of those ' +
    'that are still current, and exits with 1 unless that is 0. ' +
    'Batches that were claimed before keep the old release; the answer ' +
    'names them, and --cancel-running ends them and has their records claimed again. One that is being ' +
    'written at that moment keeps its release, and is named.\n\n' +
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
  json: '{"hook_name", "changed", "from_version", "live_version", "live_seq", "live_release_id", "reason", "at",\n"still_running": [{"version", "ingestion_id", "convention_id", "batches"}], "claimed_again": [the same], "recompute": as `osa recomputes show`, or null}; with --heal also "proof", as `osa hooks recompute`',
  async run(
    context,
    { arguments: { hook: name, version }, options: { choose, reason, yes, cancelRunning, heal, ...waiting } },
  ) {
    refuseUnhealed({ heal, ...waiting });
    if ((version === undefined) !== choose) {
      throw new OsaError('usage', 'name the version to make live, or --choose, and not both', {
        field: 'version',
      });
    }
    const given = version === undefined ? undefined : versionArgument('version', version);
    const client = context.client();
    const hook = await client.call('showHook', { params: { name } });
    const target = given ?? (await chooseRelease(context, client, { hook, older: false }));
    await requireRelease(client, hook, target);
    const state = target === hook.live?.version ? 'same' : 'open';
    const move = { hook, target, state, verb: 'Activate', cancelRunning } as const;
    if (target === undefined || !(yes || (await confirmMove(context, client, move)))) {
      context.output.note('nothing was changed');
      return 1;
    }
    const body = {
      ...{ version: target, reason, cancel_running: cancelRunning || undefined, heal: heal || undefined },
      expected_live_seq: hook.live_seq ?? undefined,
    };
    const answer = await tellingWhatMoved(context, client, hook, () =>
      untilFree(context, () => client.call('activate', { params: { name }, body })),
    );
    return concludeMove(context, client, answer, { verb: 'activate', heal, ...waiting });
  },
});
