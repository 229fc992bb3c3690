import type { Command } from '../command.ts';

/** Every command: its name, a line about it, and where it is. */
export const commands: readonly (CommandEntry | CommandGroup)[] = [
  {
    name: 'init',
    summary: 'start a dataset: convention.yaml, a hook, sample records',
    load: async () => (await import('./init/init.ts')).init,
  },
  {
    name: 'dev',
    summary: 'start a server for development, with a database of its own',
    load: async () => (await import('./init/dev.ts')).dev,
  },
  {
    name: 'validate',
    summary: 'check a convention.yaml and its hooks, without a server',
    load: async () => (await import('./deploy/validate.ts')).validate,
  },
  {
    name: 'deploy',
    summary: 'deploy a convention.yaml in one step',
    load: async () => (await import('./deploy/deploy.ts')).deploy,
  },
  {
    name: 'deploys',
    summary: 'what was deployed, by whom, with what changes',
    example: ['osa deploys list usgs-earthquakes', 'the deploys of one convention'],
    commands: [
      {
        name: 'list',
        summary: 'deploys, newest first',
        load: async () => (await import('./deploy/list.ts')).deploysList,
      },
      {
        name: 'show',
        summary: 'one deploy: what was sent, and what it changed',
        load: async () => (await import('./deploy/show.ts')).deploysShow,
      },
    ],
  },
  {
    name: 'ingest',
    summary: 'take records in and run the hooks over them',
    load: async () => (await import('./ingestions/ingest.ts')).ingest,
  },
  {
    name: 'ingestions',
    summary: 'what came in, and what became of it',
    example: ['osa ingestions show 0198c0de-… --failed', 'what failed, and why'],
    commands: [
      {
        name: 'list',
        summary: 'ingestions, newest first',
        load: async () => (await import('./ingestions/list.ts')).ingestionsList,
      },
      {
        name: 'show',
        summary: 'one ingestion, or its records that failed',
        load: async () => (await import('./ingestions/show.ts')).ingestionsShow,
      },
      {
        name: 'retry',
        summary: 'try again what was rejected or errored',
        load: async () => (await import('./ingestions/retry.ts')).ingestionsRetry,
      },
      {
        name: 'pause',
        summary: 'claim no more of its batches until it is resumed',
        load: async () => (await import('./ingestions/pause.ts')).ingestionsPause,
      },
      {
        name: 'resume',
        summary: 'end its pause',
        load: async () => (await import('./ingestions/resume.ts')).ingestionsResume,
      },
      {
        name: 'cancel',
        summary: 'end it; what is published stays',
        load: async () => (await import('./ingestions/cancel.ts')).ingestionsCancel,
      },
    ],
  },
  {
    name: 'hooks',
    summary: 'hooks, their releases and the live pointer',
    example: ['osa hooks list', 'all hooks with their live release'],
    commands: [
      {
        name: 'list',
        summary: 'hooks with their live release',
        load: async () => (await import('./hooks/list.ts')).hooksList,
      },
      {
        name: 'show',
        summary: 'one hook and its releases',
        load: async () => (await import('./hooks/show.ts')).hooksShow,
      },
      {
        name: 'releases',
        summary: 'the releases of a hook',
        load: async () => (await import('./hooks/releases.ts')).hooksReleases,
      },
      {
        name: 'diff',
        summary: 'what two releases differ in',
        load: async () => (await import('./hooks/diff.ts')).hooksDiff,
      },
      {
        name: 'history',
        summary: 'the moves of the live pointer',
        load: async () => (await import('./hooks/history.ts')).hooksHistory,
      },
      {
        name: 'rollback',
        summary: 'make an earlier release live',
        load: async () => (await import('./hooks/rollback.ts')).hooksRollback,
      },
      {
        name: 'activate',
        summary: 'make any release live',
        load: async () => (await import('./hooks/activate.ts')).hooksActivate,
      },
      {
        name: 'release',
        summary: 'mint a release without a deploy',
        load: async () => (await import('./hooks/release.ts')).hooksRelease,
      },
      {
        name: 'test',
        summary: 'run one on records of a file, without a server',
        load: async () => (await import('./hooks/test.ts')).hooksTest,
      },
      {
        name: 'pause',
        summary: 'claim no more batches that it would run over',
        load: async () => (await import('./hooks/pause.ts')).hooksPause,
      },
      {
        name: 'resume',
        summary: 'end its pause',
        load: async () => (await import('./hooks/resume.ts')).hooksResume,
      },
    ],
  },
  {
    name: 'runs',
    summary: 'runs of hooks, and what their code said',
    example: ['osa runs logs 0198c0de-…', 'what the code of a run said'],
    commands: [
      {
        name: 'list',
        summary: 'runs, newest first',
        load: async () => (await import('./runs/list.ts')).runsList,
      },
      {
        name: 'show',
        summary: 'one run and its attempts',
        load: async () => (await import('./runs/show.ts')).runsShow,
      },
      {
        name: 'logs',
        summary: 'what its code said',
        load: async () => (await import('./runs/logs.ts')).runsLogs,
      },
    ],
  },
  { name: 'rows', summary: "a hook's rows", load: async () => (await import('./data/rows.ts')).rows },
  {
    name: 'trace',
    summary: 'where a row came from',
    load: async () => (await import('./trace/trace.ts')).trace,
  },
  {
    name: 'keys',
    summary: 'keys that sign tokens',
    example: ['osa keys generate', 'a key of your own'],
    commands: [
      {
        name: 'generate',
        summary: 'make an Ed25519 key',
        load: async () => (await import('./auth/keys-generate.ts')).keysGenerate,
      },
      {
        name: 'show',
        summary: 'the public half of the key that is used here',
        load: async () => (await import('./auth/keys-show.ts')).keysShow,
      },
    ],
  },
  {
    name: 'token',
    summary: 'a token for another program',
    load: async () => (await import('./auth/token.ts')).token,
  },
  {
    name: 'auth',
    summary: 'who you are to the server',
    example: ['osa auth check', 'why a token would be refused'],
    commands: [
      {
        name: 'whoami',
        summary: 'ask the server who you are',
        load: async () => (await import('./auth/whoami.ts')).authWhoami,
      },
      {
        name: 'check',
        summary: 'find out why a token would be refused',
        load: async () => (await import('./auth/check.ts')).authCheck,
      },
    ],
  },
];

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly example: readonly [command: string, does: string];
  readonly commands: readonly CommandEntry[];
}
