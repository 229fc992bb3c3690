import type { CommandEntry, CommandGroup } from '../entry.ts';

/** The commands of depositors and reviewers. */
export const depositCommands: readonly (CommandEntry | CommandGroup)[] = [
  {
    group: 'Start',
    name: 'deposit',
    summary: 'Deposit one record with its files',
    load: async () => (await import('./deposit.ts')).deposit,
  },
  {
    group: 'Look',
    name: 'depositions',
    summary: 'Edit, submit, withdraw, delete and review depositions',
    example: ['osa depositions list', 'your depositions, and how far they are'],
    commands: [
      {
        name: 'list',
        summary: 'List your depositions, newest first',
        load: async () => (await import('./list.ts')).depositionsList,
      },
      {
        name: 'show',
        summary: 'Show a deposition, and why it came back',
        load: async () => (await import('./show.ts')).depositionsShow,
      },
      {
        name: 'edit',
        summary: 'Change the metadata or files of a draft',
        load: async () => (await import('./edit.ts')).depositionsEdit,
      },
      {
        name: 'submit',
        summary: 'Run the hooks over a draft',
        load: async () => (await import('./submit.ts')).depositionsSubmit,
      },
      {
        name: 'withdraw',
        summary: 'Make what is submitted a draft again',
        load: async () => (await import('./withdraw.ts')).depositionsWithdraw,
      },
      {
        name: 'remove-file',
        summary: 'Remove a file from a draft',
        load: async () => (await import('./remove-file.ts')).depositionsRemoveFile,
      },
      {
        name: 'template',
        summary: 'Save a workbook to fill in',
        load: async () => (await import('./template.ts')).depositionsTemplate,
      },
      {
        name: 'fill',
        summary: 'Take the metadata of a draft from a workbook',
        load: async () => (await import('./fill.ts')).depositionsFill,
      },
      {
        name: 'delete',
        summary: 'Delete a draft',
        load: async () => (await import('./delete.ts')).depositionsDelete,
      },
      {
        name: 'end',
        summary: 'End what somebody else has submitted',
        load: async () => (await import('./end.ts')).depositionsEnd,
      },
      {
        name: 'review',
        summary: 'Approve what others have deposited, or give it back',
        example: ['osa depositions review list', 'what waits for a decision'],
        commands: [
          {
            name: 'list',
            summary: 'List what waits for a review',
            load: async () => (await import('./review/list.ts')).reviewList,
          },
          {
            name: 'approve',
            summary: 'Publish a deposition',
            load: async () => (await import('./review/approve.ts')).reviewApprove,
          },
          {
            name: 'reject',
            summary: 'Give a deposition back with a reason',
            load: async () => (await import('./review/reject.ts')).reviewReject,
          },
        ],
      },
    ],
  },
];
