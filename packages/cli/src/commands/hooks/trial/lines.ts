import { count, counted, duration, value } from '../../../terminal/format.ts';
import { bold, dim, green, type Line, line, red, yellow } from '../../../terminal/paint.ts';
import { type Cell, table } from '../../../terminal/table.ts';
import { logLines } from '../../runs/log.ts';
import type { Tried } from './run.ts';

/** How a hook did on a few records, for programs and for people. */

export function trialDocument(tried: Tried) {
  const {
    hook,
    ok,
    failure,
    ending,
    exitCode,
    milliseconds,
    verdicts,
    invalid,
    rowCount,
    rows,
    strays,
    log,
    ids,
  } = tried;
  return {
    hook: hook.name,
    ok,
    failure,
    ending,
    exit_code: exitCode,
    milliseconds: Math.round(milliseconds),
    records: ids.flatMap((id) => {
      const verdict = verdicts.get(id);
      if (!verdict) return [];
      const reason = 'reason' in verdict ? verdict.reason : null;
      return [{ id, status: verdict.status, reason, rows: 'rowCount' in verdict ? verdict.rowCount : 0 }];
    }),
    invalid: invalid.map(({ sourceId, line: at, problem }) => ({ id: sourceId, line: at, reason: problem })),
    row_count: rowCount,
    rows,
    strays,
    log: textOf(log),
  };
}

/** Failed records are listed one by one; the others are shown by their rows. */
export function trialLines(tried: Tried, { showLog }: { readonly showLog: boolean }): Line[] {
  const { hook, ok, milliseconds, log } = tried;
  return [
    line`${bold(hook.name)}: ${verdictOf(tried)}, in ${duration(milliseconds / 1_000)}`,
    ...countLines(tried),
    ...sayings(tried),
    ...rowLines(tried),
    ...(showLog || !ok ? logSection(log) : []),
  ];
}

function verdictOf({ ids, ok, failure }: Tried): Line {
  if (failure !== null) return red(failure);
  if (!ok) return red('errored records');
  return ids.length === 0 ? yellow('started, but no record was valid') : green('kept its contract');
}

function countLines({ ids, invalid, verdicts, rowCount, failure }: Tried): Line[] {
  if (failure !== null) return [`  ${counted(ids.length, 'record')} given, ${count(invalid.length)} invalid`];
  const of = (status: string) =>
    count([...verdicts.values()].filter((verdict) => verdict.status === status).length);
  return [
    `  ${counted(ids.length, 'record')}: ${of('passed')} passed, ${of('rejected')} rejected, ${of('errored')} errored; ` +
      `${count(invalid.length)} invalid and left out; ${counted(rowCount, 'row')}`,
  ];
}

const mostShown = 20;

function sayings({ ids, verdicts, invalid, strays }: Tried): Line[] {
  const found: Cell[][] = [
    ...invalid.map(({ sourceId, problem }) => [sourceId, yellow('invalid'), problem]),
    ...ids.flatMap((id): Cell[][] => {
      const verdict = verdicts.get(id);
      if (!verdict || verdict.status === 'passed') return [];
      return [[id, verdict.status === 'errored' ? red('errored') : yellow('rejected'), verdict.reason]];
    }),
  ];
  const more =
    found.length > mostShown ? [dim(`… and ${count(found.length - mostShown)} more; --json has all`)] : [];
  return [
    ...(found.length > 0
      ? ['', ...table(['record', 'status', 'reason'], found.slice(0, mostShown)), ...more]
      : []),
    ...strays.map((stray) => line`  ${red('!')} ${stray}`),
  ];
}

function rowLines({ hook, rows, rowCount }: Tried): Line[] {
  if (rows.length === 0) return [];
  const { columns } = hook.feature;
  const heads = columns.map(({ name, unit }) => (unit ? `${name} [${unit}]` : name));
  const cells = rows.map(({ id, values }) => [
    id,
    ...columns.map(({ name, json_type }) => value(values[name], json_type)),
  ]);
  const more =
    rowCount > rows.length ? [dim(`… and ${count(rowCount - rows.length)} more; --limit shows them`)] : [];
  return ['', ...table(['record', ...heads], cells), ...more];
}

const lastLines = 40;

function logSection(log: Uint8Array): Line[] {
  const lines = logLines(textOf(log));
  if (lines.length === 0) return ['', dim('it said nothing')];
  const cut =
    lines.length > lastLines
      ? [dim(`… ${count(lines.length - lastLines)} lines before; --json has all`)]
      : [];
  return ['', 'it said:', ...cut, ...lines.slice(-lastLines).map((said) => line`  ${said}`)];
}

function textOf(log: Uint8Array): string {
  return Buffer.from(log).toString('utf8');
}
