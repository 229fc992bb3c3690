import type { Mutant } from './mutants.ts';

const rights = 'packages/core/src/postgres/migrations/0021_file_rights.sql';

export const fileMutants: readonly Mutant[] = [
  {
    name: 'file-named-first',
    what: 'the database names a file before its last part has come, so that an upload that breaks there counts as whole',
    defects: [
      {
        file: 'packages/core/src/file/upload.ts',
        find: '  const part = { sender: senderOf(writer), offset, size };\n',
        replace: `  const part = { sender: senderOf(writer), offset, size };
  if (offset > 0)
    await store.write(writer, async (transaction) => {
      await transaction.files.record(sha256, { size, head: Buffer.alloc(0) });
      return {};
    });
`,
      },
    ],
    focus: { points: ['file.part', 'file.whole'], actions: ['kill'] },
  },
  {
    name: 'record-takes-any-file',
    what: 'the database lets a record name a file that nobody has sent who brings it in',
    defects: [
      {
        file: rights,
        find: '  where not public.may_use_file(n.actor, n.sha256)\n',
        replace: '  where false\n',
      },
    ],
    test: 'test/database/file-rights.test.ts',
    isForTests: true,
  },
  {
    name: 'draft-takes-any-file',
    what: 'the database lets a draft name a file that its owner has not sent',
    defects: [
      {
        file: rights,
        find: "  if tg_op = 'INSERT' and not public.may_use_file(depositor, new.sha256) then",
        replace: "  if tg_op = 'INSERT' and depositor is null then",
      },
    ],
    test: 'test/database/file-rights.test.ts',
    isForTests: true,
  },
  {
    name: 'owner-ends-own',
    what: 'who ends a submission may be its owner, whose history then names an operator',
    defects: [
      {
        file: rights,
        find: 'd.submission = new.ingestion and d.owner <> new.actor\n',
        replace: 'd.submission = new.ingestion\n',
      },
    ],
    test: 'test/database/file-rights.test.ts',
    isForTests: true,
  },
];
