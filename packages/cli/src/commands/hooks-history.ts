import { defineCommand } from '../command.ts';
import { nextPage, time, version } from '../format.ts';
import { table } from '../table.ts';
import { pagingOptions } from './paging.ts';

export const hooksHistory = defineCommand({
  description: "Lists every move of a hook's live pointer, the newest first: from, to, why, who and when.",
  arguments: { hook: { description: "the hook's name" } },
  options: pagingOptions,
  examples: [['osa hooks history seismic_energy', 'who moved it, and why']],
  json: '{"hook_name", "changes": [{"seq", "from_version", "to_version", "kind", "reason", "actor", "at"}], "next_cursor"}',
  async run({ client, output }, { arguments: { hook }, options }) {
    const answer = await client().call('history', { params: { name: hook }, query: options });
    const rows = answer.changes.map(({ seq, kind, from_version, to_version, reason, actor, at }) => [
      `#${seq}`,
      kind,
      `${version(from_version)} → ${version(to_version)}`,
      reason,
      actor.subject,
      time(at),
    ]);
    output.result(answer, table(['change', 'kind', 'moved', 'reason', 'by', 'when'], rows));
    output.note(...nextPage(`osa hooks history ${hook}`, answer.next_cursor));
    return undefined;
  },
});
