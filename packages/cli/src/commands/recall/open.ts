import { bounds } from '@osa/core/limits';
import { defineCommand } from '../../command.ts';
import { factOf, factOptions } from '../trace/facts.ts';
import { untilFree } from '../until-free.ts';
import { recallLines } from './lines.ts';
import { noticeOf, reasonOf } from './reason.ts';

export const recallOpen = defineCommand({
  description:
    'Recalls what a fact of the supply chain selects: a release, a digest, commits, a builder, a deploy or a record. From ' +
    'then on every reader of the rows, their runs and releases sees the notice, also without a token. osa impact with the ' +
    'same options shows beforehand what is selected.\n\n' +
    'A range of commits, A..B, is resolved by git in the current directory. Releases that are made later from one of these ' +
    'commits, or with the digest, join the recall while it is open. A notice never changes; osa recall close ends it. Needs ' +
    'the scope recalls:write.',
  options: {
    ...factOptions,
    reason: { ...noticeOf('why, as every reader sees it (required)'), short: 'm' },
    advice: noticeOf('what readers should do'),
  },
  examples: [
    [
      'osa recall open --source-ref v1.3..v1.4 --reason "energies are in ergs, not joules"',
      'all releases built from a range of commits',
    ],
    ['osa recall open --release seismic_energy@2 --reason "wrong units" --advice "use v3"', 'one release'],
    ['osa recall open --digest sha256:… --reason "CVE-2026-1234 in libm"', 'an image, or a platform of it'],
  ],
  json: '{"id", "fact", "asked", "commits", "reason", "advice", "opened_by", "opened_at", "closed", "current": {"records", "rows"}, "made", "releases": [{"hook", "version", "made", …}], "conventions": […]}',
  async run(context, { options: { reason: given, advice, ...chosen } }) {
    const reason = reasonOf(given);
    const client = context.client();
    const fact = await factOf(context, client, chosen, { mostCommits: bounds.recallCommits });
    const { sourceRef } = chosen;
    const body = {
      ...('commits' in fact ? { commits: [...fact.commits] } : fact),
      ...(sourceRef?.includes('..') && { range: sourceRef }),
      ...(advice !== undefined && { advice }),
      reason,
    };
    const recall = await untilFree(context, () => client.call('openRecall', { body }));
    context.output.result(recall, recallLines(recall));
    return undefined;
  },
});
