import { depositCommands } from './depositions/commands.ts';
import type { CommandEntry, CommandGroup } from './entry.ts';
import { operateCommands } from './operate.ts';

/** Every command: its name, a line about it, and where it is. */
export const commands: readonly (CommandEntry | CommandGroup)[] = [
  {
    group: 'Start',
    name: 'init',
    summary: 'Start a dataset: convention.yaml, a hook, sample records',
    load: async () => (await import('./init/init.ts')).init,
  },
  {
    group: 'Start',
    name: 'dev',
    summary: 'Start a server for development, with a database of its own',
    load: async () => (await import('./init/dev.ts')).dev,
  },
  {
    group: 'Start',
    name: 'validate',
    summary: 'Check a convention.yaml and its hooks, without a server',
    load: async () => (await import('./deploy/validate.ts')).validate,
  },
  {
    group: 'Start',
    name: 'deploy',
    summary: 'Deploy a convention.yaml in one step',
    load: async () => (await import('./deploy/deploy.ts')).deploy,
  },
  {
    group: 'Look',
    name: 'status',
    summary: 'Show how the archive is, and what needs a person',
    load: async () => (await import('./status/status.ts')).status,
  },
  {
    group: 'Look',
    name: 'audit',
    summary: 'Show who did what',
    load: async () => (await import('./status/audit.ts')).audit,
  },
  {
    group: 'Look',
    name: 'doctor',
    summary: 'Check what osa needs here, and what the server needs',
    load: async () => (await import('./status/doctor.ts')).doctor,
  },
  {
    group: 'Look',
    name: 'conventions',
    summary: 'List and show conventions',
    example: ['osa conventions list', 'all conventions of the server'],
    commands: [
      {
        name: 'list',
        summary: 'List conventions, newest first',
        load: async () => (await import('./conventions/list.ts')).conventionsList,
      },
      {
        name: 'show',
        summary: 'Show a convention: its schema and its hooks',
        load: async () => (await import('./conventions/show.ts')).conventionsShow,
      },
    ],
  },
  {
    group: 'Look',
    name: 'deploys',
    summary: 'Show past deploys: who changed what, and when',
    example: ['osa deploys list usgs-earthquakes', 'the deploys of one convention'],
    commands: [
      {
        name: 'list',
        summary: 'List deploys, newest first',
        load: async () => (await import('./deploy/list.ts')).deploysList,
      },
      {
        name: 'show',
        summary: 'Show what a deploy sent, and what it changed',
        load: async () => (await import('./deploy/show.ts')).deploysShow,
      },
    ],
  },
  {
    group: 'Start',
    name: 'ingest',
    summary: 'Take records in and run the hooks over them',
    load: async () => (await import('./ingestions/ingest.ts')).ingest,
  },
  ...depositCommands,
  {
    group: 'Look',
    name: 'ingestions',
    summary: 'Follow, retry, pause and cancel ingestions',
    example: ['osa ingestions show 0198c0de-… --failed', 'what failed, and why'],
    commands: [
      {
        name: 'list',
        summary: 'List ingestions, newest first',
        load: async () => (await import('./ingestions/list.ts')).ingestionsList,
      },
      {
        name: 'show',
        summary: 'Show an ingestion, or its records that failed',
        load: async () => (await import('./ingestions/show.ts')).ingestionsShow,
      },
      {
        name: 'retry',
        summary: 'Try rejected and errored records again',
        load: async () => (await import('./ingestions/retry.ts')).ingestionsRetry,
      },
      {
        name: 'pause',
        summary: 'Stop starting batches of an ingestion',
        load: async () => (await import('./ingestions/pause.ts')).ingestionsPause,
      },
      {
        name: 'resume',
        summary: 'Resume a paused ingestion',
        load: async () => (await import('./ingestions/resume.ts')).ingestionsResume,
      },
      {
        name: 'cancel',
        summary: 'End an ingestion; published records stay',
        load: async () => (await import('./ingestions/cancel.ts')).ingestionsCancel,
      },
    ],
  },
  ...operateCommands,
  {
    group: 'Look',
    name: 'runs',
    summary: 'Show runs of hooks and their logs',
    example: ['osa runs logs 0198c0de-…', 'the log of a run'],
    commands: [
      {
        name: 'list',
        summary: 'List runs, newest first',
        load: async () => (await import('./runs/list.ts')).runsList,
      },
      {
        name: 'show',
        summary: 'Show a run and its attempts',
        load: async () => (await import('./runs/show.ts')).runsShow,
      },
      {
        name: 'logs',
        summary: 'Show the log of a run',
        load: async () => (await import('./runs/logs.ts')).runsLogs,
      },
    ],
  },
  {
    group: 'Look',
    name: 'records',
    summary: 'List the records of a convention, or save them',
    load: async () => (await import('./data/records.ts')).records,
  },
  {
    group: 'Look',
    name: 'export',
    summary: 'Save a convention as a Data Package and RO-Crate',
    load: async () => (await import('./data/export/export.ts')).exportCommand,
  },
  {
    group: 'Look',
    name: 'rows',
    summary: 'List the rows of a hook, or save them',
    load: async () => (await import('./data/rows.ts')).rows,
  },
  {
    group: 'Look',
    name: 'open',
    summary: 'Open the page of a row, a record, a release or a run',
    load: async () => (await import('./trace/open.ts')).openCommand,
  },
  {
    group: 'Look',
    name: 'trace',
    summary: 'Show where a row came from',
    load: async () => (await import('./trace/trace.ts')).trace,
  },
  {
    group: 'Look',
    name: 'impact',
    summary: 'Count what releases, a commit or a deploy have touched',
    load: async () => (await import('./trace/impact.ts')).impact,
  },
  {
    group: 'Look',
    name: 'verify',
    summary: 'Check the signed receipt of a row, also offline',
    load: async () => (await import('./trace/verify.ts')).verify,
  },
  {
    group: 'Look',
    name: 'events',
    summary: 'Read and follow what happens on the server',
    load: async () => (await import('./events.ts')).events,
  },
  {
    group: 'Access',
    name: 'login',
    summary: 'Log in as a person, in a browser',
    load: async () => (await import('./auth/login.ts')).login,
  },
  {
    group: 'Access',
    name: 'logout',
    summary: 'End your login at the server',
    load: async () => (await import('./auth/logout.ts')).logout,
  },
  {
    group: 'Access',
    name: 'keys',
    summary: 'Make and show keys that sign tokens',
    example: ['osa keys generate', 'a key of your own'],
    commands: [
      {
        name: 'generate',
        summary: 'Make an Ed25519 key',
        load: async () => (await import('./auth/keys-generate.ts')).keysGenerate,
      },
      {
        name: 'show',
        summary: 'Show the public half of the key in use',
        load: async () => (await import('./auth/keys-show.ts')).keysShow,
      },
    ],
  },
  {
    group: 'Access',
    name: 'publishers',
    summary: 'Trust CI jobs, so that they need no secret',
    example: ['osa publishers list', 'the jobs that this archive trusts'],
    commands: [
      {
        name: 'add',
        summary: 'Trust jobs of a repository',
        load: async () => (await import('./publishers/add.ts')).publishersAdd,
      },
      {
        name: 'list',
        summary: 'List trusted publishers',
        load: async () => (await import('./publishers/list.ts')).publishersList,
      },
      {
        name: 'remove',
        summary: 'Stop trusting a publisher',
        load: async () => (await import('./publishers/remove.ts')).publishersRemove,
      },
    ],
  },
  {
    group: 'Access',
    name: 'token',
    summary: 'Sign a token for another program',
    load: async () => (await import('./auth/token.ts')).token,
  },
  {
    group: 'Start',
    name: 'completion',
    summary: 'Print the script that completes osa in a shell',
    load: async () => (await import('./completion/completion.ts')).completion,
  },
  {
    group: 'Access',
    name: 'auth',
    summary: 'Check your key against the server',
    example: ['osa auth check', 'why a token would be refused'],
    commands: [
      {
        name: 'whoami',
        summary: 'Ask the server who you are',
        load: async () => (await import('./auth/whoami.ts')).authWhoami,
      },
      {
        name: 'check',
        summary: 'Find out why a token would be refused',
        load: async () => (await import('./auth/check.ts')).authCheck,
      },
    ],
  },
];
