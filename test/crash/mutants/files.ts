import type { Mutant } from './mutants.ts';

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
];
