import type { CommandEntry, CommandGroup } from './entry.ts';

/** The commands that change what runs, and what it has made. */
export const operateCommands: readonly (CommandEntry | CommandGroup)[] = [
  {
    group: 'Operate',
    name: 'hooks',
    summary: 'Release, roll back, compare, test and pause hooks',
    example: ['osa hooks list', 'all hooks'],
    commands: [
      {
        name: 'list',
        summary: 'List hooks with their live release',
        load: async () => (await import('./hooks/list.ts')).hooksList,
      },
      {
        name: 'show',
        summary: 'Show a hook and its releases',
        load: async () => (await import('./hooks/show.ts')).hooksShow,
      },
      {
        name: 'releases',
        summary: 'List the releases of a hook',
        load: async () => (await import('./hooks/releases.ts')).hooksReleases,
      },
      {
        name: 'code',
        summary: 'List the files of a release, or write them to a directory',
        load: async () => (await import('./hooks/code.ts')).hooksCode,
      },
      {
        name: 'diff',
        summary: 'Compare two releases',
        load: async () => (await import('./hooks/diff.ts')).hooksDiff,
      },
      {
        name: 'history',
        summary: 'Show which release was live when, and who changed it',
        load: async () => (await import('./hooks/history.ts')).hooksHistory,
      },
      {
        name: 'rollback',
        summary: 'Make an earlier release live',
        load: async () => (await import('./hooks/rollback.ts')).hooksRollback,
      },
      {
        name: 'activate',
        summary: 'Make any release live',
        load: async () => (await import('./hooks/activate.ts')).hooksActivate,
      },
      {
        name: 'stale',
        summary: 'Count current rows by release, the stale ones marked',
        load: async () => (await import('./recomputes/stale.ts')).hooksStale,
      },
      {
        name: 'recompute',
        summary: 'Run the live release over published records again',
        load: async () => (await import('./recomputes/recompute.ts')).hooksRecompute,
      },
      {
        name: 'compare',
        summary: 'Run a release over published records, and report what differs',
        load: async () => (await import('./comparisons/compare.ts')).hooksCompare,
      },
      {
        name: 'release',
        summary: 'Make a release without a deploy',
        load: async () => (await import('./hooks/release.ts')).hooksRelease,
      },
      {
        name: 'test',
        summary: 'Run a hook on records of a file, without a server',
        load: async () => (await import('./hooks/test.ts')).hooksTest,
      },
      {
        name: 'pause',
        summary: 'Stop new batches from running a hook',
        load: async () => (await import('./hooks/pause.ts')).hooksPause,
      },
      {
        name: 'resume',
        summary: 'Resume a paused hook',
        load: async () => (await import('./hooks/resume.ts')).hooksResume,
      },
    ],
  },
  {
    group: 'Operate',
    name: 'comparisons',
    summary: 'Show what releases would change, and cancel comparisons',
    example: ['osa comparisons list seismic_energy', 'the comparisons of a hook'],
    commands: [
      {
        name: 'list',
        summary: 'List the comparisons of a hook, newest first',
        load: async () => (await import('./comparisons/list.ts')).comparisonsList,
      },
      {
        name: 'show',
        summary: 'Show a comparison and its report',
        load: async () => (await import('./comparisons/show.ts')).comparisonsShow,
      },
      {
        name: 'cancel',
        summary: 'End a comparison that runs or waits',
        load: async () => (await import('./comparisons/cancel.ts')).comparisonsCancel,
      },
    ],
  },
  {
    group: 'Operate',
    name: 'recomputes',
    summary: 'Follow, pause, cancel and retry recomputes',
    example: ['osa recomputes show 0198c0de-…', 'how far it is'],
    commands: [
      {
        name: 'list',
        summary: 'List recomputes, newest first',
        load: async () => (await import('./recomputes/list.ts')).recomputesList,
      },
      {
        name: 'show',
        summary: 'Show a recompute, or its records that did not pass',
        load: async () => (await import('./recomputes/show.ts')).recomputesShow,
      },
      {
        name: 'pause',
        summary: 'Stop starting batches of a recompute',
        load: async () => (await import('./recomputes/pause.ts')).recomputesPause,
      },
      {
        name: 'resume',
        summary: 'Resume a paused recompute',
        load: async () => (await import('./recomputes/resume.ts')).recomputesResume,
      },
      {
        name: 'cancel',
        summary: 'End a recompute; what is done stays',
        load: async () => (await import('./recomputes/cancel.ts')).recomputesCancel,
      },
      {
        name: 'retry',
        summary: 'Try errored records again, or go on after an end',
        load: async () => (await import('./recomputes/retry.ts')).recomputesRetry,
      },
    ],
  },
  {
    group: 'Operate',
    name: 'recall',
    summary: 'Warn every reader of rows that bad code or data made',
    example: ['osa recall list --status open', 'the notices that readers see'],
    commands: [
      {
        name: 'open',
        summary: 'Recall what a release, a digest, commits or a record made',
        load: async () => (await import('./recall/open.ts')).recallOpen,
      },
      {
        name: 'list',
        summary: 'List recalls, newest first',
        load: async () => (await import('./recall/list.ts')).recallList,
      },
      {
        name: 'show',
        summary: 'Show a recall, and the rows that it selects',
        load: async () => (await import('./recall/show.ts')).recallShow,
      },
      {
        name: 'close',
        summary: 'Close a recall, with a reason',
        load: async () => (await import('./recall/close.ts')).recallClose,
      },
    ],
  },
  {
    group: 'Operate',
    name: 'replay',
    summary: 'Compute rows once more, and compare bit for bit',
    load: async () => (await import('./replays/replay.ts')).replayCommand,
  },
  {
    group: 'Look',
    name: 'replays',
    summary: 'Show replays and their certificates, and cancel replays',
    example: ['osa replays show 0198c0de-…', 'its verdicts'],
    commands: [
      {
        name: 'list',
        summary: 'List replays, newest first',
        load: async () => (await import('./replays/list.ts')).replaysList,
      },
      {
        name: 'show',
        summary: 'Show a replay, or its certificates',
        load: async () => (await import('./replays/show.ts')).replaysShow,
      },
      {
        name: 'cancel',
        summary: 'Cancel a replay',
        load: async () => (await import('./replays/cancel.ts')).replaysCancel,
      },
    ],
  },
];
