import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { Client } from '../client.ts';
import { type Context, defineCommand } from '../command.ts';
import { time, version } from '../format.ts';
import { green, type Line, line, printable } from '../paint.ts';
import { integer, text } from '../parse.ts';

export const hooksRollback = defineCommand({
  description:
    'Makes an earlier release of a hook live: by default the one that was live before the present one was ' +
    'introduced. Batches claimed afterwards run it; rows that exist keep the release that made them.\n\n' +
    'On a terminal it shows the move and asks once; elsewhere it needs --yes. If the pointer has moved since it ' +
    'was shown, nothing happens.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    to: {
      value: 'N',
      description: 'the version to go back to',
      parse: integer(1, 2 ** 31 - 1),
    },
    reason: {
      value: 'TEXT',
      description: 'why, for the history',
      parse: text(bounds.reasonLength),
    },
    yes: { description: 'do not ask' },
  },
  examples: [
    ['osa hooks rollback seismic_energy', 'to the release before, after asking'],
    ['osa hooks rollback seismic_energy --to 1 --reason "wrong units" --yes', 'to v1, from a script'],
  ],
  json: '{"hook_name", "changed", "from_version", "live_version", "live_seq", "live_release_id", "reason", "at"}',
  async run(context, { arguments: { hook }, options: { to, reason, yes } }) {
    const client = context.client();
    const shown = await client.call('showHook', { params: { name: hook } });
    const live = shown.live?.version;
    const target = to ?? (await defaultTarget(client, shown));
    // What the server will refuse needs no question, and its refusal says what there is.
    if (!yes && live !== undefined && target !== undefined && target < live) {
      if (!(await confirmed(context, client, shown, target))) {
        context.output.note('nothing was changed');
        return 1;
      }
    }
    const answer = await client.call('rollback', {
      params: { name: hook },
      body: { to: target, reason, expected_live_seq: shown.live_seq ?? undefined },
    });
    context.output.result(answer, resultLines(answer));
    return undefined;
  },
});

/** The version that was live before the present one was introduced; undefined when there was none. */
async function defaultTarget(
  client: Client,
  { name, live }: Answer<'showHook'>,
): Promise<number | undefined> {
  for (let cursor: string | undefined; ; ) {
    const page = await client.call('history', {
      params: { name },
      query: { limit: bounds.pageRows, cursor },
    });
    const introduction = page.changes.find(
      ({ kind, to_version }) => kind !== 'rollback' && to_version === live?.version,
    );
    if (introduction) return introduction.from_version ?? undefined;
    if (page.next_cursor === null) return undefined;
    cursor = page.next_cursor;
  }
}

async function confirmed(
  { output, signal, stdin }: Context,
  client: Client,
  { name, live }: Answer<'showHook'>,
  target: number,
): Promise<boolean> {
  const question = `${name}: ${version(live?.version ?? null)} → ${version(target)}`;
  if (!output.interactive) {
    throw new OsaError('usage', `${question}: nobody can be asked here, so this needs --yes`, {
      field: 'yes',
      details: { hook: name, from_version: live?.version, to_version: target },
    });
  }
  const release = await client.call('showRelease', { params: { name, version: target } });
  const { askRollback } = await import('../ui/ask-rollback.tsx');
  return askRollback({ hook: name, from: sideOf(live), to: sideOf(release), signal, stdin });
}

function sideOf(release: { version: number; built_at: string; source_ref: string } | null) {
  if (!release) return { version: '-', built: '-', source: '-' };
  return {
    version: `v${release.version}`,
    built: time(release.built_at),
    source: printable(release.source_ref),
  };
}

function resultLines(answer: Answer<'rollback'>): Line[] {
  const { hook_name: hook, changed, from_version, live_version, live_seq, reason } = answer;
  if (!changed) return [line`${hook}: v${live_version} is live already; nothing was changed`];
  const why = reason === null ? '' : `, because: ${reason}`;
  return [line`${hook}: ${version(from_version)} → ${green(`v${live_version}`)} (change #${live_seq}${why})`];
}
