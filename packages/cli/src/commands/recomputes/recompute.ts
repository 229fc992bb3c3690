import type { Answer } from '@osa/core/api';
import { bounds } from '@osa/core/limits';
import { visible } from '@osa/core/text';
import { type Context, defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { counted, duration, version } from '../../terminal/format.ts';
import { bold, green, type Line, line } from '../../terminal/paint.ts';
import { releaseVersion, storedId, text } from '../../terminal/parse.ts';
import { pairs } from '../../terminal/table.ts';
import { ask, requireTerminal } from '../confirm.ts';
import { fullId } from '../full-id.ts';
import { reasonOption } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { healed, waitOptions } from './heal.ts';
import { readSrns } from './srns.ts';

export const hooksRecompute = defineCommand({
  description:
    'Runs the live release of a hook over published records again, by default over every record whose current ' +
    'rows another release made, and over records that the hook has never seen. New rows become current when a ' +
    'batch is done; the old ones are kept and say what superseded them. A record that errors keeps its old rows. ' +
    'It waits for the end, and exits with 1 when something of the old releases is left.\n\n' +
    'On a terminal it shows the plan and asks once; elsewhere it needs --yes. --plan shows it and changes nothing.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    release: {
      value: 'N',
      description: 'only rows that this release made; may be given again',
      parse: releaseVersion,
      repeatable: true,
    },
    convention: { value: 'SLUG', description: 'only records of this convention', parse: text(200) },
    records: {
      value: 'FILE',
      description: `only the records of a file: one SRN a line, ${bounds.recomputeRecords} at most`,
      parse: text(4_000),
    },
    recalled: {
      value: 'ID',
      description: 'only rows that this recall selects',
      parse: storedId,
    },
    plan: { description: 'show what it would do, and change nothing' },
    ...reasonOption,
    ...waitOptions,
    yes: { short: 'y', description: 'do not ask' },
  },
  examples: [
    ['osa hooks recompute seismic_energy --plan', 'how many records, rows and batches'],
    ['osa hooks recompute seismic_energy', 'after asking'],
    [
      'osa hooks recompute seismic_energy --release 2 --reason "wrong units" --yes',
      'the rows of v2, from a script',
    ],
    ['osa hooks recompute seismic_energy --recalled 0198c0de-… --yes', 'what is recalled'],
    ['osa hooks recompute seismic_energy --records records.txt --yes', 'some records'],
  ],
  json: '--plan: {"hook_name", "live_version", "releases", "records", "rows", "missing", "in_review", "batches",\n"estimated_seconds"}; else\n{"recompute": as `osa recomputes show`, "proof": {"left": [{"version", "records", "rows"}], "errored": [records]}}',
  async run(context, { arguments: { hook: name }, options }) {
    const { output } = context;
    const client = context.client();
    const selection = await selectionOf(context, client, options);
    const plan = await client.call('planRecompute', { params: { name }, body: selection });
    if (options.plan) {
      output.result(plan, planLines(plan));
      return undefined;
    }
    if (!(options.yes || (await confirmPlan(context, plan)))) {
      output.note('nothing was changed');
      return 1;
    }
    const body = { ...selection, reason: options.reason };
    const begun = await untilFree(context, () => client.call('recompute', { params: { name }, body }));
    if (!options.wait) {
      output.result({ recompute: begun }, [
        line`recompute ${begun.id} began: ${bold(`osa recomputes show ${begun.id}`)}`,
      ]);
      return undefined;
    }
    const { recompute, proof, code, lines } = await healed(context, client, begun, options);
    output.result({ recompute, proof }, lines);
    return code;
  },
});

async function confirmPlan(context: Context, plan: Answer<'planRecompute'>): Promise<boolean> {
  const live = version(plan.live_version);
  requireTerminal(context, {
    about: `${plan.hook_name}: ${counted(plan.records, 'record')} would be computed again with ${live}`,
    pass: 'pass --yes, or --plan to look only',
    details: { ...plan },
  });
  if (plan.records === 0 && plan.in_review === 0) return true;
  context.output.note(...planLines(plan));
  return ask(context, `Compute them again with ${live} of ${visible(plan.hook_name)}?`);
}

export function planLines(plan: Answer<'planRecompute'>): Line[] {
  const { hook_name, live_version, releases, records, rows, missing, in_review, batches, estimated_seconds } =
    plan;
  if (records === 0 && in_review === 0) {
    return [line`${bold(hook_name)}: nothing to compute again with ${version(live_version)}, which is live`];
  }
  const of = releases.length === 0 ? '' : ` ${releases.map((number) => version(number)).join(', ')} →`;
  return [
    line`${bold(hook_name)}:${of} ${green(version(live_version))}, which is live`,
    ...pairs([
      ['records', counted(records, 'record')],
      ...(missing > 0 ? [['never seen', counted(missing, 'record')] as const] : []),
      ...(in_review > 0
        ? [['in review', `${counted(in_review, 'deposition')}, validated again`] as const]
        : []),
      ['rows now', counted(rows, 'row')],
      ['batches', counted(batches, 'batch', 'batches')],
      [
        'time',
        estimated_seconds === null
          ? 'unknown: it has not run yet'
          : `about ${duration(estimated_seconds)} of runs`,
      ],
    ]),
  ];
}

interface Given {
  readonly release: readonly number[];
  readonly convention: string | undefined;
  readonly records: string | undefined;
  readonly recalled: string | undefined;
}

async function selectionOf(
  context: Context,
  client: Client,
  { release, convention, records, recalled }: Given,
) {
  return {
    ...(release.length > 0 && { releases: [...new Set(release)] }),
    ...(convention !== undefined && { convention }),
    ...(records !== undefined && { records: await readSrns(context, records) }),
    ...(recalled !== undefined && { recalled: await fullId(client, 'recall', recalled) }),
  };
}
