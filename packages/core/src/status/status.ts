import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { everything, requireScope } from '../auth/scope.ts';
import type { Store } from '../store.ts';
import type { StoredStatus } from './stored.ts';

type Status = Answer<'status'>;

/** The facts that only the daemon itself knows. */
export type DaemonFacts = Pick<Status, 'version' | 'domain' | 'started_at' | 'disk'>;

/** How the archive is, and what needs a person. @throws OsaError `access_denied` */
export async function readStatus(
  store: Store,
  principal: Principal,
  daemon: () => Promise<DaemonFacts>,
): Promise<Status> {
  requireScope(principal, 'runs:read', everything);
  const [facts, stored] = await Promise.all([daemon(), store.status()]);
  const { newest_running_at: _, moving: __, struggling: ___, unhealed: ____, ...shown } = stored;
  const needs = needsOf(stored, facts.disk);
  return { ok: needs.length === 0, ...facts, ...shown, needs };
}

type Need = Status['needs'][number];

/** Everything that a person must look at, the most urgent first. */
export function needsOf(stored: StoredStatus, disk: Status['disk']): Need[] {
  const { queue, workers, failing } = stored;
  return [
    ...diskNeeds(disk),
    ...workerNeeds(queue.conventions, workers),
    ...queue.conventions.flatMap((convention) => queueNeeds(convention, stored)),
    ...failing.filter(isBroken).map(releaseNeed),
    ...stored.struggling
      .filter(({ hook }) => !failing.some((one) => one.hook === hook && isBroken(one)))
      .map(attemptsNeed),
    ...stored.unhealed.map(unhealedNeed),
    ...stored.recalls.filter(({ fact }) => fact !== 'record').map(recallNeed),
  ];
}

const leastFreeBytes = 2 ** 30;

function diskNeeds({ total_bytes, free_bytes }: Status['disk']): Need[] {
  const isFull = free_bytes < Math.min(leastFreeBytes, total_bytes / 20);
  if (!isFull) return [];
  const detail = `the disk of the data directory has ${Math.floor(free_bytes / 2 ** 20)} MiB free`;
  return [{ code: 'disk_full', about: null, detail, next: 'make room on it, or enlarge it' }];
}

type Convention = Status['queue']['conventions'][number];

function workerNeeds(conventions: readonly Convention[], workers: Status['workers']): Need[] {
  const waiting = conventions.reduce((sum, { queued, parked }) => sum + queued + parked, 0);
  if (workers.length > 0 || waiting === 0) return [];
  const detail = `no worker runs; batches that wait: ${waiting}`;
  return [{ code: 'no_worker', about: null, detail, next: 'start one: osad, or osad --worker-only' }];
}

/** A batch that could be claimed waits this long at most while nothing goes before it. */
const stuckMs = 30_000;
/** And this long behind the work of other conventions. */
const starvedMs = 600_000;

function queueNeeds({ convention: about, waits, running }: Convention, stored: StoredStatus): Need[] {
  return waits.flatMap((wait): Need[] => {
    const detail = `${about}: ${wait.example ?? 'batches wait'} (batches: ${wait.batches})`;
    switch (wait.why) {
      case 'claim_failures':
        return [
          { code: 'claim_failures', about, detail, next: 'read the log of osad for "batch claim failed"' },
        ];
      case 'no_live_release':
        return [
          { code: 'parked', about, detail, next: 'release the hook: osa deploy, or osa hooks release' },
        ];
      case 'no_runner':
        return [
          { code: 'parked', about, detail, next: 'start a worker that has a runner for it (OSA_RUNNER)' },
        ];
      case 'worker':
        return running === 0 &&
          !stored.moving.includes(about) &&
          stored.workers.length > 0 &&
          isStuck(wait, stored)
          ? [
              {
                code: 'stuck',
                about,
                detail: `${about}: batches wait for a worker since ${wait.oldest_at}, and none is claimed (batches: ${wait.batches})`,
                next: 'look for a transaction that holds locks (pg_stat_activity), and at the log of osad',
              },
            ]
          : [];
      default:
        return [];
    }
  });
}

/** Batches are claimed in the order in which they become available, so one that was overtaken cannot be claimed. */
function isStuck(
  { oldest_at }: Convention['waits'][number],
  { now, newest_running_at }: StoredStatus,
): boolean {
  const waitedMs = Date.parse(now) - Date.parse(oldest_at);
  const overtakenMs =
    newest_running_at === null ? waitedMs : Date.parse(newest_running_at) - Date.parse(oldest_at);
  return waitedMs > starvedMs || (waitedMs > stuckMs && overtakenMs > stuckMs);
}

type Failing = Status['failing'][number];

/** A release fails when more of its runs fail than pass. */
export function isBroken({ is_live, passed, failed, error }: Failing): boolean {
  return is_live && failed + error > passed;
}

function releaseNeed({ hook, version, passed, failed, error, run, reason }: Failing): Need {
  const all = passed + failed + error;
  const why = reason === null ? '' : `; the last one: ${reason}`;
  return {
    code: 'release_fails',
    about: hook,
    detail: `${hook} v${version} failed ${failed + error} of ${all} runs of the last hour${why}`,
    next: version > 1 ? `osa runs logs ${run}, then osa hooks rollback ${hook}` : `osa runs logs ${run}`,
  };
}

function attemptsNeed({ hook, version, run, ending }: StoredStatus['struggling'][number]): Need {
  return {
    code: 'release_fails',
    about: hook,
    detail: `${hook} v${version}: the last two attempts of a run that goes on have failed; the newest ended with: ${ending}`,
    next: version > 1 ? `osa runs logs ${run}, then osa hooks rollback ${hook}` : `osa runs logs ${run}`,
  };
}

function unhealedNeed({ hook, recompute, version, records, rows }: StoredStatus['unhealed'][number]): Need {
  return {
    code: 'unhealed',
    about: hook,
    detail: `${hook}: the heal ${recompute} has ended and left current results of v${version}, of records: ${records}, rows: ${rows}`,
    next: `osa recomputes show ${recompute}, then osa hooks recompute ${hook} --release ${version}`,
  };
}

/** A record that is recalled has no other release to be computed with, so its notice is for readers only. */
function recallNeed({ id, reason, rows, records }: Status['recalls'][number]): Need {
  return {
    code: 'recalled',
    about: null,
    detail: `recall ${id} (${reason}): rows of it that are current: ${rows}, of records: ${records}`,
    next: `osa recall show ${id}, then osa hooks recompute <hook> --recalled ${id}`,
  };
}
