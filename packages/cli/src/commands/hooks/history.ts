import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import { nextPage, time, version } from '../../terminal/format.ts';
import { bold, green, type Line, line } from '../../terminal/paint.ts';
import { instant, instantText } from '../../terminal/parse.ts';
import { pagingOptions } from '../paging.ts';
import { changeTable } from './move-pointer.ts';

export const hooksHistory = defineCommand({
  description:
    "Lists every change of a hook's live release, newest first: from, to, who, when and why.\n\n" +
    'With --at, the first line says what was live at that time, and the list ends there.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    ...pagingOptions,
    at: {
      value: 'TIME',
      description:
        'show what was live at this time, such as 2026-03-01, "2026-03-01 03:04" or 2026-03-01T03:04:05+01:00; UTC unless it names a zone',
      parse: instant,
    },
  },
  examples: [
    ['osa hooks history seismic_energy', 'who moved it, and why'],
    ['osa hooks history seismic_energy --at "2026-03-01 12:00"', 'what was live at noon'],
  ],
  json:
    '{"hook_name", "changes": [{"seq", "from_version", "to_version", "kind", "reason", "actor", "at"}], "next_cursor"};\n' +
    'with --at also {"at", "live_version"}, unless --cursor is given',
  async run({ client, output }, { arguments: { hook }, options }) {
    const server = client();
    const answer = await server.call('history', { params: { name: hook }, query: options });
    const { at, cursor } = options;
    // A later page begins after the change that was the last one then.
    const then = at === undefined || cursor !== undefined ? undefined : { at, change: answer.changes[0] };
    const document = then ? { at, live_version: then.change?.to_version ?? null, ...answer } : answer;
    const moves = answer.changes.length === 0 ? [] : changeTable(answer.changes);
    output.result(document, [...(then ? [liveThen(hook, then)] : []), ...moves]);
    output.note(
      ...nextPage({
        commandLine: `osa hooks history ${hook}`,
        options: { ...options, at: at && instantText(at) },
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});

function liveThen(
  hook: string,
  { at, change }: { readonly at: string; readonly change: Answer<'history'>['changes'][number] | undefined },
): Line {
  if (!change) return line`${bold(hook)}: nothing was live at ${time(at)}`;
  const { to_version, at: since } = change;
  return line`${bold(hook)}: ${green(version(to_version))} was live at ${time(at)}, since ${time(since)}`;
}
