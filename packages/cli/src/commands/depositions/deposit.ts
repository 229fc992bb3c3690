import { defineCommand } from '../../command.ts';
import { contentOptions, localFilesOf, named, readMetadata, sendFiles, setFields } from './content.ts';
import { showSubmitted, waitOptions } from './follow.ts';
import { depositionJson, depositionLines, ifMatch } from './lines.ts';

export const deposit = defineCommand({
  description:
    'Deposits one record: metadata, and files where the convention takes them. It is a draft at first, which only you see.\n\n' +
    'With --submit every hook of the convention runs over it. A record that they pass is published, after a review where the ' +
    "convention wants one. Otherwise it is a draft again, with each hook's reason; osa depositions edit mends it.\n\n" +
    'It takes the role DEPOSITOR, or a key whose tokens may carry depositions:write.',
  arguments: { convention: { description: "the convention's slug" } },
  options: {
    ...contentOptions,
    submit: { description: 'submit it at once' },
    ...waitOptions,
  },
  examples: [
    [
      'osa deposit structures --metadata 4hhb.json --file 4hhb.cif --submit --wait',
      'deposit, and wait for the hooks',
    ],
    ['osa deposit structures --set title="Haemoglobin" --file 4hhb.cif', 'begin a draft'],
  ],
  json: `the deposition: ${depositionJson}`,
  async run(context, { arguments: { convention }, options }) {
    const client = context.client();
    const given = options.metadata === undefined ? {} : await readMetadata(context, options.metadata);
    const { fields, file_requirements: rules } = await client.call('showConvention', {
      params: { slug: convention },
    });
    const metadata = setFields(given, options.set, fields);
    const files = await localFilesOf(context, options.file, rules);
    await sendFiles(context, client, { convention, files });
    const draft = await client.call('createDeposition', {
      body: { convention_id: convention, metadata, files: named(files) },
      resource: convention,
    });
    if (!options.submit && !options.wait) {
      context.output.result(draft, depositionLines(draft));
      return 0;
    }
    const { id } = draft;
    const submitted = await client
      .call('submitDeposition', { params: { id }, body: {}, ifMatch: ifMatch(draft), resource: convention })
      .catch((error: unknown) => {
        context.output.note(`it is kept as a draft: osa depositions show ${id}`);
        throw error;
      });
    return showSubmitted(context, client, submitted, options);
  },
});
