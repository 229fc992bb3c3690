import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import { counted, nextPage, time, value, version } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { bold, dim, green, joined, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { recalledLines } from './lines.ts';
import { chosenTarget, type Kind, sourceOf, traceNamed } from './target.ts';

type History = Answer<'sourceHistory'>;
type Version = History['versions'][number];
type Result = Version['results'][number];

interface Asked {
  readonly output: Output;
  readonly what: string;
  readonly as: Kind | undefined;
  readonly page: { readonly limit: number | undefined; readonly cursor: string | undefined };
}

/** Shows the time line of a source, which may be named by one of its records or rows. */
export async function showHistory(client: Client, { output, what, as, page }: Asked): Promise<undefined> {
  const source = await sourceNamed(client, what, as);
  const answer = await client.call('sourceHistory', { query: { ...source, ...page } });
  output.result(answer, historyLines(answer));
  output.note(
    ...nextPage({
      commandLine: `osa trace ${source.convention}:${source.source_id} --history`,
      options: page,
      server: client.server,
      cursor: answer.next_cursor,
    }),
  );
  return undefined;
}

async function sourceNamed(
  client: Client,
  what: string,
  as: Kind | undefined,
): Promise<ReturnType<typeof sourceOf>> {
  if (as === undefined || as === 'row' || as === 'record') {
    const isRecordOrRow = /^urn:/i.test(what) || /^[a-z]\w*\/\d+$/.test(what);
    if (isRecordOrRow) {
      const traced = await traceNamed(client, what, as);
      if ('record' in traced.trace) {
        const { convention, source_id } = traced.trace.record;
        return { convention, source_id };
      }
    }
  }
  if (as !== undefined && as !== 'source') {
    throw new OsaError('usage', `--history is of a source, and not of a ${as}`, { field: 'history' });
  }
  const { name } = await chosenTarget(client, what, 'source');
  return sourceOf(name);
}

export function historyLines({ convention, source_id, version_count, versions }: History): Line[] {
  return [
    line`${bold(source_id)}, of ${convention}: ${counted(version_count, 'version')}`,
    ...versions.flatMap((shown) => ['', ...versionLines(shown, version_count)]),
  ];
}

function versionLines(shown: Version, newest: number): Line[] {
  const { published_at, srn, ingestion } = shown;
  const cause = shown.changes === null ? 'came in' : 'new content';
  return [
    line`${bold(version(shown.version))}  ${time(published_at)}  ${cause}, by ingestion ${ingestion}, line ${shown.line}`,
    dim(`    ${srn}`),
    ...recalledLines(shown.recalled).map((notice) => line`    ${notice}`),
    ...changeLines(shown.changes, 'the content is the same; the schema changed'),
    ...shown.results.flatMap((result) => resultLines(result, shown.version === newest)),
  ];
}

function changeLines(changes: Version['changes'], none: string): Line[] {
  if (changes === null) return [];
  if (changes.length === 0) return [dim(`    ${none}`)];
  return changes.map(({ path, from, to }) => line`    ${path}: ${value(from)} → ${bold(value(to))}`);
}

const causeTexts: Readonly<Record<Result['causes'][number], Line>> = {
  new_content: 'new content',
  new_release: yellow('a new release'),
  recomputed: 'recomputed',
  recalled: yellow('recalled'),
};

/** Rows of an older version are not current, also where no newer result has replaced them. */
function resultLines(result: Result, isNewest: boolean): Line[] {
  const causes = joined(
    result.causes.map((cause) => causeTexts[cause]),
    ', ',
  );
  const kept = isNewest ? green('current') : dim('of an older version');
  const state = line`${result.current ? kept : yellow('superseded')}${result.recalled.length > 0 ? red(', recalled') : ''}`;
  const count =
    result.row_count_before === null || result.row_count_before === result.row_count
      ? counted(result.row_count, 'row')
      : `${counted(result.row_count_before, 'row')} → ${counted(result.row_count, 'row')}`;
  return [
    line`    ${bold(`${result.hook} ${version(result.release)}`)}  ${time(result.at)}  ${causes}  ${state}, ${count}`,
    ...(result.rejection === null ? [] : [line`      rejected: ${result.rejection}`]),
    ...result.rows.flatMap(rowLines),
  ];
}

function rowLines({ name, values, changes }: Result['rows'][number]): Line[] {
  if (changes === null) {
    const told = Object.entries(values).map(([column, content]) => `${column}=${value(content)}`);
    return [line`      ${name}  ${told.join(' ')}`];
  }
  if (changes.length === 0) return [line`      ${name}  ${dim('the same values')}`];
  return [
    line`      ${name}`,
    ...changes.map(({ path, from, to }) => line`        ${path}: ${value(from)} → ${bold(value(to))}`),
  ];
}
