import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import { time } from '../../terminal/format.ts';
import { bold, dim, type Line, line } from '../../terminal/paint.ts';
import { storedId } from '../../terminal/parse.ts';
import { pairs } from '../../terminal/table.ts';
import { fullId } from '../full-id.ts';
import { jobEntries } from '../job.ts';
import { holdLines } from './compare-gate.ts';
import { deployParts, partTable } from './lines.ts';

export const deploysShow = defineCommand({
  description:
    'Shows a deploy: what it changed, who made it, when, and from which code.\n\n' +
    'With --json it includes the manifest that was sent. The manifest may hold secrets, so it needs a key ' +
    'whose tokens may carry runs:read; without it you see the digest only.',
  arguments: { id: { description: "the deploy's id", parse: storedId } },
  examples: [
    ['osa deploys show 0198c0de-…', 'what it changed'],
    ['osa deploys show 0198c0de-… --json', 'and what was sent, for a program'],
  ],
  json: '{"id", "slug", "manifest_digest", "changed", "changes", "source_refs", "actor", "at", "manifest": what was sent, or null}',
  async run({ client, output }, { arguments: given }) {
    const archive = client();
    const id = await fullId(archive, 'deploy', given.id);
    const answer = await archive.call('showDeploy', { params: { id }, scopes: ['runs:read'] });
    output.result(answer, showLines(answer));
    return undefined;
  },
});

function showLines(answer: Answer<'showDeploy'>): Line[] {
  const { id, slug, changed, changes, source_refs, actor, job, at, manifest, manifest_digest, holds } =
    answer;
  const parts = deployParts(changes, { slug, schema: schemaOf(manifest) });
  return [
    line`${bold(slug)}: ${changed ? 'deployed' : 'deployed, nothing changed'}`,
    ...pairs([
      ['deploy', id],
      ['by', line`${actor.subject} ${dim(`(${actor.issuer})`)}`],
      ...jobEntries(job),
      ['when', time(at)],
      ...source_refs.map((ref, index) => [index === 0 ? 'source' : '', ref] as const),
      ['sent', manifest_digest],
    ]),
    '',
    ...partTable(parts),
    ...parts.flatMap(({ name, differences }) =>
      differences.length === 0 ? [] : [bold(name), ...differences.map((text) => `  ${text}`)],
    ),
    ...(holds.length === 0 ? [] : ['', ...holdLines(holds)]),
  ];
}

/** The schema's name, from what was sent, where that may be seen. */
function schemaOf(manifest: Answer<'showDeploy'>['manifest']): string {
  const { schema } = manifest ?? {};
  if (typeof schema !== 'object' || schema === null || !('id' in schema) || !('version' in schema)) return '';
  return `${schema.id}@${schema.version}`;
}
