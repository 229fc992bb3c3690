import type { Answer, Body } from '@osa/core/api';
import type { Manifest } from '@osa/core/convention/manifest/read';
import { asOsaError, OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { Context } from '../../command.ts';
import { beyondExit, waitExits } from '../../exit.ts';
import type { Client } from '../../http/client.ts';
import { version } from '../../terminal/format.ts';
import { RefusalFromServer } from '../../terminal/output.ts';
import { bold, green, type Line, line, red } from '../../terminal/paint.ts';
import { integer, milliseconds, text } from '../../terminal/parse.ts';
import { type Comparison, changedText, reportLines, reportMarkdown } from '../comparisons/report.ts';
import { byColumn, percentOf, type Tolerance, toleranceOf } from '../comparisons/tolerance.ts';
import { untilDone } from '../comparisons/until-done.ts';
import { append } from './github.ts';

/** How `osa deploy --compare` lets new releases go live: only if they change few of the published records. */

export type DeployComparison = NonNullable<Body<'deploy'>['compare']>;

export const gateOptions = {
  compare: {
    value: 'N',
    description: 'run new releases over N published records before they go live',
    parse: integer(1, bounds.comparedRecords),
  },
  maxChanged: {
    value: 'P%',
    description: 'with --compare: how many of the records may change (0)',
    parse: percentOf,
  },
  tolerance: {
    value: '[HOOK.]COLUMN=N|P%|any',
    description: 'with --compare: how far values of a column may be apart; may be given again',
    parse: (given: string) => {
      const { hook, rest } = ofHook(given);
      return { hook, ...toleranceOf(rest) };
    },
    repeatable: true,
  },
  key: {
    value: '[HOOK.]COLUMN',
    description:
      'with --compare: match the rows of a record by this column, not by their order; may be given again',
    parse: (given: string) => {
      const { hook, rest } = ofHook(text(127)(given));
      return { hook, column: rest };
    },
    repeatable: true,
  },
  seed: { value: 'TEXT', description: 'with --compare: draws other records (osa)', parse: text(200) },
  timeout: {
    value: 'TIME',
    description: 'with --compare: wait no longer than this, such as 90s or 15m; nothing goes live then',
    parse: milliseconds,
  },
} as const;

interface Given {
  readonly compare: number | undefined;
  readonly activate: boolean;
  readonly maxChanged: number | undefined;
  readonly tolerance: readonly ReturnType<(typeof gateOptions)['tolerance']['parse']>[];
  readonly key: readonly ReturnType<(typeof gateOptions)['key']['parse']>[];
  readonly seed: string | undefined;
  readonly timeout: number | undefined;
}

/** `energy_j=1%` or `seismic_energy.energy_j=1%`. */
function ofHook(given: string): { readonly hook: string | undefined; readonly rest: string } {
  const [, hook, rest] = /^([a-z][a-z0-9_]*)\.([^.=]+(?:=.*)?)$/.exec(given) ?? [];
  return hook === undefined || rest === undefined ? { hook: undefined, rest: given } : { hook, rest };
}

/** @throws OsaError `usage` for options that do not go together */
export function requireGate({ compare, activate, ...given }: Given): void {
  if (compare !== undefined) {
    if (!activate) return;
    throw new OsaError(
      'usage',
      '--activate makes known releases live at once, and --compare holds new ones; give one',
      {
        field: 'compare',
      },
    );
  }
  const stray = [
    given.maxChanged !== undefined && 'max-changed',
    given.tolerance.length > 0 && 'tolerance',
    given.key.length > 0 && 'key',
    given.seed !== undefined && 'seed',
    given.timeout !== undefined && 'timeout',
  ].find((name) => name !== false);
  if (stray) throw new OsaError('usage', `--${stray} goes with --compare N`, { field: stray });
}

/** The options as the server takes them: by hook. @throws OsaError `usage` for a column that no hook has */
export function gateOf(
  { hooks }: Manifest,
  { compare, maxChanged, tolerance, key, seed }: Given,
): DeployComparison | undefined {
  if (compare === undefined) return undefined;
  const tolerances: Record<string, Tolerance[]> = {};
  const keys: Record<string, string[]> = {};
  const having = (option: string, { hook, column }: { hook: string | undefined; column: string }) => {
    const found = hooks.filter(
      ({ name, feature }) =>
        (hook === undefined || name === hook) && feature.columns.some((one) => one.name === column),
    );
    if (found.length > 0) return found.map(({ name }) => name);
    const whose =
      hook === undefined ? 'no hook of the file has' : `${hook} is not a hook of the file, or lacks`;
    throw new OsaError('usage', `--${option}: ${whose} a column ${column}`, { field: option });
  };
  for (const of of tolerance) {
    for (const name of having('tolerance', of)) tolerances[name] = [...(tolerances[name] ?? []), of];
  }
  for (const of of key) for (const name of having('key', of)) keys[name] = [...(keys[name] ?? []), of.column];
  return {
    ...{ sample: compare, keys, max_changed: maxChanged ?? 0 },
    tolerances: Object.fromEntries(Object.entries(tolerances).map(([name, of]) => [name, byColumn(of)])),
    ...(seed !== undefined && { seed }),
  };
}

type Hold = Answer<'activateDeploy'>['holds'][number];

export interface Gate {
  /** Undefined where everything is live. */
  readonly code: number | undefined;
  readonly lines: readonly Line[];
  /** The reports, for the summary of a job. */
  readonly markdown: string;
  /** For the same summary: what became of each release, and the command that makes it live all the same. */
  readonly outcome: readonly Line[];
  readonly document: {
    readonly verdict: 'live' | 'beyond' | 'moved' | 'failed' | 'timeout';
    /** Where the live release has moved: the server's words. */
    readonly problem?: string;
    readonly holds: readonly Hold[];
    readonly comparisons: readonly Comparison[];
  };
}

/**
 * Waits for the comparisons of a deploy and makes its releases live if all are within the limit and nobody has moved a live
 * release meanwhile. `lines` are shown when that is refused for another reason, or its answer is lost.
 *
 * @throws ActivationLost
 */
export async function concludeHolds(
  context: Context,
  client: Client,
  {
    answer: { deploy_id: id, slug, holds, changes },
    lines: deployed,
    timeoutMs = Number.POSITIVE_INFINITY,
  }: {
    readonly answer: Answer<'deploy'>;
    readonly lines: readonly Line[];
    readonly timeoutMs: number | undefined;
  },
): Promise<Gate> {
  const deadline = performance.now() + timeoutMs;
  const comparisons: Comparison[] = [];
  for (const { hook_name, version: held, comparison_id } of holds) {
    context.output.note(`${hook_name}: compares ${version(held)} with the current rows`);
    const scopes = [`conventions:write:${slug}`];
    const left = Math.max(0, deadline - performance.now());
    comparisons.push(await untilDone(context, client, comparison_id, { timeoutMs: left, scopes }));
  }
  const first = changes.hooks
    .filter(({ is_live, release }) => is_live && release === 'created')
    .map(
      ({ name, version: made }) =>
        line`${name}: ${version(made)} is live; there was nothing to compare it with`,
    );
  const compared = holds.map((hold, index) => [hold, comparisons[index]] as const);
  const reports = compared.flatMap(([hold, comparison]) => reportOf(hold, comparison));
  const unreported = compared.flatMap(([hold, comparison]) =>
    comparison?.report?.records ? [] : reportOf(hold, comparison),
  );
  const markdown = comparisons
    .flatMap((comparison, index) =>
      comparison.report
        ? `${reportMarkdown(comparison, comparison.report, holds[index]?.max_changed)}\n`
        : [],
    )
    .join('');
  const verdict = verdictOf(holds, comparisons);
  const held = { markdown, document: { verdict, holds, comparisons } };
  if (verdict !== 'live') {
    const code = { beyond: beyondExit, failed: 1, timeout: waitExits.timeout }[verdict];
    const stay = holds.flatMap((hold) => heldLines(hold));
    return {
      ...held,
      code,
      lines: [...first, ...reports, '', ...stay],
      outcome: [...first, ...unreported, ...stay],
    };
  }
  if (holds.length === 0) return { ...held, code: undefined, lines: first, outcome: first };
  const activation = await client
    .call('activateDeploy', { params: { id }, resource: slug })
    .catch(async (error: unknown) => {
      const known = asOsaError(error);
      if (known?.code === 'precondition_failed' && isRefused(known)) return known;
      if (known) context.output.note(...deployed, ...first, ...reports);
      await append(context, 'summary', markdown);
      throw known && !isRefused(known) ? new ActivationLost(known) : error;
    });
  if (activation instanceof Error) {
    const moved = [line`${red(activation.message)}`];
    return {
      ...{ markdown, code: beyondExit, lines: [...first, ...reports, '', ...moved] },
      ...{
        outcome: [...first, ...unreported, ...moved],
        document: { verdict: 'moved', problem: activation.message, holds, comparisons },
      },
    };
  }
  const live = activation.holds.map(
    ({ hook_name, version: made, live_version, activated_seq }) =>
      line`${hook_name}: ${version(live_version)} → ${green(version(made))}${activated_seq === null ? '' : ` (change #${activated_seq})`}`,
  );
  return {
    ...held,
    code: undefined,
    lines: [...first, ...reports, ...live],
    outcome: [...first, ...unreported, ...live],
    document: { verdict, holds: activation.holds, comparisons },
  };
}

/** An activation whose answer was lost: it may be done. */
export class ActivationLost extends Error {
  override readonly cause: OsaError;

  constructor(cause: OsaError) {
    super(cause.message);
    this.cause = cause;
  }
}

/** Whether the server itself says that nothing was done, or nothing was sent. */
function isRefused(error: OsaError): boolean {
  if (error.code === 'credentials') return true;
  return error instanceof RefusalFromServer && error.code !== 'internal' && error.code !== 'unavailable';
}

function verdictOf(
  holds: readonly Hold[],
  comparisons: readonly Comparison[],
): Exclude<Gate['document']['verdict'], 'moved'> {
  if (comparisons.some(({ status }) => status === 'failed')) return 'failed';
  if (comparisons.some(({ report }) => !report)) return 'timeout';
  const isWithin = holds.every(({ max_changed }, index) => {
    const { records = 0, changed_records = 0 } = comparisons[index]?.report ?? {};
    return changed_records * 100 <= max_changed * records;
  });
  return isWithin ? 'live' : 'beyond';
}

function reportOf({ max_changed }: Hold, comparison: Comparison | undefined): Line[] {
  if (!comparison) return [];
  const { report, hook_name, version: made, problem, status, id } = comparison;
  if (!report) {
    return [
      line`${hook_name}: comparison ${id} of ${version(made)} is ${status}${problem === null ? '' : `: ${problem}`}`,
    ];
  }
  if (report.records > 0) return ['', ...reportLines(comparison, report, max_changed)];
  return [
    line`${hook_name}: no record has current rows, so there is nothing to compare ${version(made)} with`,
  ];
}

function heldLines({ hook_name, version: made, live_version }: Hold): Line[] {
  return [
    line`${hook_name}: ${red(`${version(made)} stays not live`)} (live is ${version(live_version)})`,
    line`to make it live all the same: ${bold(`osa hooks activate ${hook_name} ${made}`)}`,
  ];
}

/** The releases that a deploy held and what was done with them, for its history. */
export function holdLines(holds: readonly Hold[]): Line[] {
  return holds.map(
    ({ hook_name, version: made, comparison_id, status, records, changed_records, ...hold }) => {
      const found =
        records === null || changed_records === null
          ? status
          : `${changedText({ records, changed_records })} changed`;
      const end =
        hold.activated_seq === null ? 'not made live by it' : `made live by change #${hold.activated_seq}`;
      return line`${hook_name} ${version(made)}: ${found}, at most ${hold.max_changed} % may; ${end}: osa comparisons show ${comparison_id}`;
    },
  );
}
