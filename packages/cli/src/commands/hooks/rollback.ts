import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { newerThanLive } from '@osa/core/hook/hook';
import { defineCommand } from '../../command.ts';
import { releaseVersion } from '../../terminal/parse.ts';
import { untilFree } from '../until-free.ts';
import {
  chooseRelease,
  concludeMove,
  confirmMove,
  type Move,
  moveOptions,
  refuseUnhealed,
  requireRelease,
  tellingWhatMoved,
} from './move-pointer.ts';

export const hooksRollback = defineCommand({
  description:
    'Makes an earlier release of a hook live: by default the release that was live before the current ' +
    'one. Batches that are claimed afterwards run it. Existing rows keep the release that made them, ' +
    'unless --heal has the rows of the release that is left computed again; then it ends with the number of those ' +
    'that are still current, and exits with 1 unless that is 0. ' +
    'Batches that were claimed before keep the old release; the answer ' +
    'names them, and --cancel-running ends them and has their records claimed again. One that is being ' +
    'written at that moment keeps its release, and is named.\n\n' +
    'On a terminal it shows the change and asks once; elsewhere it needs --yes. If someone changed the ' +
    'live release after it was shown, nothing happens and osa shows the current state.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    to: {
      value: 'N',
      description: 'the version to go back to',
      parse: releaseVersion,
    },
    ...moveOptions,
  },
  examples: [
    ['osa hooks rollback seismic_energy', 'to the release before, after asking'],
    ['osa hooks rollback seismic_energy --choose', 'to one of the older releases'],
    [
      'osa hooks rollback seismic_energy --cancel-running',
      'and end what still runs under the release that is left',
    ],
    [
      'osa hooks rollback seismic_energy --heal --yes',
      'and compute the rows of the release that is left again',
    ],
    ['osa hooks rollback seismic_energy --to 1 --reason "wrong units" --yes', 'to v1, from a script'],
  ],
  json: '{"hook_name", "changed", "from_version", "live_version", "live_seq", "live_release_id", "reason", "at",\n"still_running": [{"version", "ingestion_id", "convention_id", "batches"}], "claimed_again": [the same], "recompute": as `osa recomputes show`, or null}; with --heal also "proof", as `osa hooks recompute`',
  async run(
    context,
    { arguments: { hook: name }, options: { to, choose, reason, yes, cancelRunning, heal, ...waiting } },
  ) {
    refuseUnhealed({ heal, ...waiting });
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
    await requireRelease(client, hook, target);
    requireOlder(hook, target);
    const move = { hook, target, state: stateOf(hook, target), verb: 'Roll back', cancelRunning } as const;
    if (isLeft || !(yes || (await confirmMove(context, client, move)))) {
      context.output.note('nothing was changed');
      return 1;
    }
    const body = {
      ...{ to: target, reason, cancel_running: cancelRunning || undefined, heal: heal || undefined },
      expected_live_seq: hook.live_seq ?? undefined,
    };
    const answer = await tellingWhatMoved(context, client, hook, () =>
      untilFree(context, () => client.call('rollback', { params: { name }, body })),
    );
    return concludeMove(context, client, answer, { verb: 'rollback', heal, ...waiting });
  },
});

/** @throws OsaError `conflict` for a release that is there and newer than the live one */
function requireOlder({ name, live, release_count }: Answer<'showHook'>, target: number | undefined): void {
  if (!live || target === undefined || target > release_count || target <= live.version) return;
  throw newerThanLive(name, target, live.version);
}

/** The server says why it refuses what has no live release or none to go back to. */
function stateOf({ live, rollback_to }: Answer<'showHook'>, target: number | undefined): Move['state'] {
  const to = target ?? rollback_to ?? undefined;
  if (!live || to === undefined) return 'refused';
  return to === live.version ? 'same' : 'open';
}
