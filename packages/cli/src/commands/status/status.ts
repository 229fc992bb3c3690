import { setTimeout as wait } from 'node:timers/promises';
import { type Context, defineCommand } from '../../command.ts';
import { statusLines } from './lines.ts';

const everyMs = 2_000;

export const status = defineCommand({
  description:
    'Shows on one screen how the archive is: the server, its database and disk, the workers, the queue with the age of ' +
    'the oldest batch and why batches wait, releases with failed runs in the last hour, rows of releases that are not live, ' +
    'paused hooks and ingestions, and current rows that are recalled. The end lists what needs a person, each with the next ' +
    'step.\n\n' +
    'Needs the scope runs:read. Exit code: 1 when something needs a person, 5 when the server cannot answer.',
  options: { watch: { description: 'show it again every 2 seconds, until Ctrl-C' } },
  examples: [
    ['osa status', 'how the archive is'],
    ['osa status --watch', 'the same, again and again'],
    ['osa status --json', 'for a monitor; exit code 1 when somebody must act'],
  ],
  json:
    '{"ok", "version", "domain", "now", "started_at", "database": {"version", "bytes", "migration"}, "disk": {"total_bytes",\n' +
    '"free_bytes"}, "workers", "queue": {"complete", "conventions": [{"convention", "queued", "running", "parked", "oldest_at",\n' +
    '"waits": [{"why", "batches", "oldest_at", "example"}]}]}, "failing": [{"hook", "version", "is_live", "passed", "failed",\n' +
    '"error", "run", "reason"}], "stale": {"records", "rows", "hooks"}, "paused": {"hooks", "ingestions"}, "recalls", "needs": [{"code", "about", "detail", "next"}]}\n' +
    'with --watch one such document a line',
  async run(context, { options }) {
    if (options.watch) return watch(context);
    const client = context.client();
    const answer = await client.call('status', {});
    context.output.result(answer, statusLines(answer, client.server.url));
    return answer.ok ? undefined : 1;
  },
});

/** Until it is interrupted, which is its usual end. */
async function watch({ client, output, signal }: Context): Promise<number> {
  const archive = client();
  let ok = true;
  while (!signal.aborted) {
    const answer = await archive.call('status', {});
    ok = answer.ok;
    if (output.json) output.stream([JSON.stringify(answer)]);
    else output.screen(statusLines(answer, archive.server.url));
    await wait(everyMs, undefined, { signal }).catch(() => undefined);
  }
  return ok ? 0 : 1;
}
