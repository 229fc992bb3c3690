import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { fullId } from '../full-id.ts';
import { contentOptions, localFilesOf, named, readMetadata, sendFiles, setFields } from './content.ts';
import { depositionJson, depositionLines, idArgument, ifMatch } from './lines.ts';

export const depositionsEdit = defineCommand({
  description:
    'Changes a draft: --metadata replaces all fields, --set one of them (an empty value leaves it out). --file adds a file, or ' +
    'replaces the one of its name. If somebody else changed the draft meanwhile, nothing is changed.',
  arguments: idArgument,
  options: {
    ...contentOptions,
    removeFile: {
      value: 'NAME',
      description: 'leave out the file of this name; may be given again',
      repeatable: true,
      parse: (given: string) => given,
    },
  },
  examples: [
    ['osa depositions edit 0198c0de-0000-7000-8000-000000000009 --set resolution=1.74', 'mend a field'],
    ['osa depositions edit 0198c0de-0000-7000-8000-000000000009 --file 4hhb.cif', 'send a file again'],
  ],
  json: `the deposition: ${depositionJson}`,
  async run(context, { arguments: given, options }) {
    const { metadata, set, file, removeFile } = options;
    const changesFiles = file.length > 0 || removeFile.length > 0;
    const changesMetadata = metadata !== undefined || set.length > 0;
    if (!changesFiles && !changesMetadata) {
      throw new OsaError('usage', 'nothing to change: give --metadata, --set, --file or --remove-file');
    }
    const client = context.client();
    const id = await fullId(client, 'deposition', given.id);
    const whole = metadata === undefined ? undefined : await readMetadata(context, metadata);
    let draft = await client.call('showDeposition', { params: { id } });
    const stray = removeFile.find((name) => draft.files.every((one) => one.name !== name));
    if (stray !== undefined) {
      throw new OsaError('usage', `--remove-file: the draft has no file ${JSON.stringify(stray)}`, {
        field: 'remove-file',
      });
    }
    const convention = draft.convention_id;
    const { fields, file_requirements: rules } = await client.call('showConvention', {
      params: { slug: convention },
    });
    const next = setFields(whole ?? draft.metadata, set, fields);
    const added = await localFilesOf(context, file, rules);
    if (changesFiles) {
      await sendFiles(context, client, { convention, files: added });
      const replaced = new Set([...removeFile, ...added.map(({ name }) => name)]);
      const files = [...draft.files.filter(({ name }) => !replaced.has(name)), ...named(added)];
      const match = { ifMatch: ifMatch(draft), resource: convention };
      draft = await client.call('editDepositionFiles', { params: { id }, body: { files }, ...match });
    }
    if (changesMetadata) {
      const match = { ifMatch: ifMatch(draft), resource: convention };
      draft = await client.call('editDepositionMetadata', { params: { id }, body: next, ...match });
    }
    context.output.result(draft, depositionLines(draft));
    return undefined;
  },
});
