import { defineCommand } from '../../command.ts';
import { bold, line } from '../../terminal/paint.ts';
import { readDeclaration } from './file.ts';
import { annotating } from './github.ts';

export const validate = defineCommand({
  description:
    'Checks a convention file and the directories of its hooks. It needs no server and no key, and sends nothing.\n\n' +
    'All problems are reported at once, each with its line and column; under GitHub Actions they become annotations ' +
    'of the file. Only the server knows whether a schema or a contract was registered before with other fields: ' +
    '`osa deploy --plan` asks it.',
  arguments: { file: { description: 'the declaration', fallback: 'convention.yaml' } },
  examples: [
    ['osa validate', 'check convention.yaml in this directory'],
    ['osa validate datasets/quakes.yaml --json', 'check another file, for a program'],
  ],
  json: '{"file", "slug", "schema_id", "hooks": [{"name", "columns", "runtime", "digest"}]}',
  async run(context, { arguments: { file } }) {
    const declared = await annotating(context, { name: file }, () => readDeclaration(context, file, []));
    const { manifest, body } = declared;
    const { id, version } = manifest.schema;
    const hooks = body.hooks.map(({ name, feature, release }) => ({
      name,
      columns: feature.columns.length,
      runtime: release.runtime,
      digest: release.digest,
    }));
    const answer = { file, slug: manifest.slug, schema_id: { id, version }, hooks };
    context.output.result(answer, [
      line`${bold(file)} is valid: convention ${manifest.slug}, schema ${id}@${version}`,
      ...hooks.map((hook) => `  hook ${hook.name}: ${hook.runtime} ${hook.digest}, columns: ${hook.columns}`),
    ]);
    return undefined;
  },
});
