import { replayQueue } from '@osa/core/postgres/recompute/replay/queue';
import { executeReplay } from '@osa/core/recompute/replay/execute';
import { replay } from '@osa/core/recompute/replay/replay';
import type { Certificate, Replay } from '@osa/core/recompute/replay/replays';
import type { Execution } from '@osa/core/run/execution';
import type { Runner } from '@osa/core/run/runner';
import type { CoreArchive } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

export const writer = { principal: admin };

export function replaying(bench: CoreArchive): Execution {
  return { ...bench.execution, replays: replayQueue(bench.database) };
}

export interface Replayed {
  readonly replay: Replay;
  readonly certificates: readonly Certificate[];
}

/** A replay that is run to its end. */
export async function replayed(
  bench: CoreArchive,
  request: Parameters<typeof replay>[2],
  execution: Execution = replaying(bench),
): Promise<Replayed> {
  const { id } = await replay(bench.store, writer, request);
  while (await executeReplay(execution, new AbortController().signal));
  return shown(bench, id);
}

export async function shown({ store }: CoreArchive, id: string): Promise<Replayed> {
  const [found, list] = [
    await store.replays.show(id),
    await store.replays.certificates(id, { limit: 1_000, cursor: undefined, verdict: undefined }),
  ];
  if (!found || !list) throw new Error(`there is no replay ${id}`);
  return { replay: found, certificates: list.items };
}

/** Everything that a replay must leave alone. */
export async function untouched({ database }: CoreArchive): Promise<unknown> {
  const [counts] = await database.sql`
    select (select count(*) from runs) as runs, (select count(*) from attempts) as attempts,
           (select count(*) from batches) as batches, (select count(*) from outcomes) as outcomes,
           (select count(*) from outcomes where superseded_by is not null) as superseded,
           (select count(*) from records) as records, (select count(*) from features.probe) as rows,
           (select json_agg(h order by name) from (select name, live_seq, live_version, release_count from hooks) h) as hooks,
           (select json_agg(c) from current_counts c) as current`;
  return counts;
}

/** The runner of the archive, to be changed by a test. */
export function runnerOf({ execution }: CoreArchive): Runner {
  const [runner] = execution.runners;
  if (!runner) throw new Error('the archive has no runner');
  return runner;
}
