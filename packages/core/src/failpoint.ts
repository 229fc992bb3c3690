import { channel } from 'node:diagnostics_channel';

/**
 * The steps at which tests stop, kill or cut off a daemon. Each is named after its step; comments add what the name
 * leaves open.
 */
export const failpoints = [
  // Deploy: the handler's entry, its locks, the last release minted, history written, committed but not answered.
  'release.before-lock',
  'release.after-lock',
  'release.after-insert',
  'release.after-pointer',
  'release.after-commit',
  // A release without a deploy: asked for; committed, not answered. Between them one statement does it all.
  'mint.before-lock',
  'mint.after-commit',
  // Rollback and activate: the hook is locked; committed but not answered.
  'live.after-lock',
  'live.after-commit',
  // A file of records: a part is on the disk; the whole has its name, and the database does not know it; its row is written,
  // before COMMIT; committed, not answered. A record is tied to its files, before COMMIT.
  'file.part',
  'file.whole',
  'file.recorded',
  'file.after-commit',
  'file.linked',
  // Upload: batches and event are written; committed but not answered.
  'submit.after-events',
  'submit.after-commit',
  // A deposition is submitted: its ingestion is written; so is its batch; committed but not answered.
  'deposition.after-open',
  'deposition.submitted',
  'deposition.after-submit',
  // Its hooks have passed it, and it goes into review: the batch is held; its rows are kept, before COMMIT; after it.
  'hold.before-rows',
  'hold.before-commit',
  'hold.after-commit',
  // A review: the batch is locked; decided and published, before COMMIT; committed but not answered.
  'review.after-lock',
  'review.decided',
  'review.after-commit',
  // Claim: asked for; the batch is locked; the runs are written, lease and fence are not; committed.
  'claim.before',
  'claim.mid',
  'claim.after-snapshot',
  'claim.after-commit',
  // The attempt's directory: half of the records are written; all is.
  'stage.partial',
  'stage.after',
  // The code: started; ended, and what it left not looked at yet.
  'process.started',
  'process.exited',
  // The image is looked for, and pulled if need be; the engine is asked for a container, which it makes and starts;
  // the container is made; it ended and was not inspected yet.
  'image.resolve',
  'container.asked',
  'container.created',
  'container.exited',
  // An attempt ran out of memory: before anything is done about it; what it finished is kept; the next one is stored.
  'oom.detected',
  'oom.partial-kept',
  'oom.after-store',
  // The code died, and its records are divided into two parts that are not run yet.
  'divide.after',
  // A thread reads the output and judges it.
  'parse.mid',
  // The lease is renewed no more and nothing is written.
  'write.before',
  // The final transaction: the fence holds; a run has ended; rows of one run are in; all is, before COMMIT; after it.
  'write.before-run-end',
  'write.after-run-end',
  'write.mid-rows',
  'write.before-commit',
  'write.after-commit',
  // A recompute: a batch of it is made, and the place after it is not stored; old outcomes are superseded, before COMMIT.
  'recompute.mid-cut',
  'recompute.after-supersede',
  // A comparison: a worker holds it; all is measured, and its report is not stored.
  'comparison.claimed',
  'comparison.measured',
  // The batch is settled and the directories of its attempts stand; of one of them the records are removed.
  'ack.after',
  'cleanup.mid',
  // Boot: before the sweep; the orphans are ended and their directories stand.
  'recovery.start',
  'recovery.mid-sweep',
  // The daemon was asked to stop, and batches run.
  'shutdown.sigterm',
] as const;

export type Failpoint = (typeof failpoints)[number];

/**
 * Does nothing unless this process has called `holdAtFailpoints`; then it waits until `hold` resolves.
 * Built programs have no failpoints: the build replaces this file.
 */
export function failpoint(point: Failpoint): Promise<unknown> | undefined {
  if (!reached.hasSubscribers) return undefined;
  const holds: Promise<void>[] = [];
  reached.publish({ point, holds } satisfies Reached);
  return Promise.all(holds);
}

/** From now on, each caller of `failpoint` waits until `hold` resolves. */
export function holdAtFailpoints(hold: (point: Failpoint) => Promise<void>): void {
  reached.subscribe((message) => {
    const { point, holds } = message as Reached;
    holds.push(hold(point));
  });
}

interface Reached {
  readonly point: Failpoint;
  /** The promises to wait for. */
  readonly holds: Promise<void>[];
}

const reached = channel('osa.failpoint');
