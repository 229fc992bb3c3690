import { resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import { canonicalJson } from '@osa/core/json/canonical';
import type { Context } from '../../../command.ts';
import { parseExactly } from '../../../http/read-response.ts';
import { counted } from '../../../terminal/format.ts';
import { green, type Line, line, red } from '../../../terminal/paint.ts';
import { readTextFile } from '../../text-file.ts';
import type { Tried } from './run.ts';

/** The answer that is expected of a hook: the rows of each record, or that it rejects the record. */
export type Expected = ReadonlyMap<string, readonly string[] | 'rejected'>;

/** One difference between what was expected and what came. */
export interface Deviation {
  readonly id: string;
  readonly expected: readonly unknown[] | string;
  readonly found: readonly unknown[] | string;
}

/**
 * Reads `{"id", "values"}` a line, as --json shows rows, or `{"id", "status": "rejected"}`. Rows of one record are in their order.
 *
 * @throws OsaError `usage` for a file that is not that
 */
export async function readExpected({ sources }: Context, file: string): Promise<Expected> {
  const content = await readTextFile(resolve(sources.cwd, file), {
    ...{ shown: file, field: 'expect' },
    ifMissing: 'write it from the rows of osa hooks test --json',
  });
  const expected = new Map<string, string[] | 'rejected'>();
  for (const [index, text] of content.split('\n').entries()) {
    if (text.trim() === '') continue;
    const entry = parseExactly(text);
    const wrong = (why: string) =>
      new OsaError(
        'usage',
        `${file}:${index + 1}: ${why}; a line is {"id", "values"} or {"id", "status": "rejected"}`,
        {
          field: 'expect',
        },
      );
    if (typeof entry !== 'object' || entry === null || !('id' in entry) || typeof entry.id !== 'string') {
      throw wrong('it has no id');
    }
    const before = expected.get(entry.id);
    if ('status' in entry && entry.status === 'rejected' && before === undefined) {
      expected.set(entry.id, 'rejected');
    } else if ('values' in entry && before !== 'rejected') {
      expected.set(entry.id, [...(before ?? []), canonicalJson(entry.values)]);
    } else {
      throw wrong('it has neither values nor the status rejected, or both for one record');
    }
  }
  return expected;
}

/** Every record is compared; a record that is not named must have no rows. */
export function deviations(tried: Tried, expected: Expected): Deviation[] {
  const found = new Map<string, string[]>();
  for (const { id, values } of tried.rows) found.set(id, [...(found.get(id) ?? []), canonicalJson(values)]);
  const ids = new Set([...tried.ids, ...tried.invalid.map(({ sourceId }) => sourceId), ...expected.keys()]);
  return [...ids].flatMap((id) => {
    const verdict = tried.verdicts.get(id)?.status;
    const isRow = verdict === 'passed' || (verdict === undefined && tried.ids.includes(id));
    const came = isRow ? (found.get(id) ?? []) : (verdict ?? 'no valid record');
    const wanted = expected.get(id) ?? [];
    if (JSON.stringify(came) === JSON.stringify(wanted)) return [];
    return [{ id, expected: shown(wanted), found: shown(came) }];
  });
}

function shown(side: readonly string[] | string): readonly unknown[] | string {
  return typeof side === 'string' ? side : side.map((text) => parseExactly(text));
}

/** Differences that are shown one by one. */
const mostShown = 20;

export function deviationLines(found: readonly Deviation[]): Line[] {
  if (found.length === 0) return [green('all values are as expected')];
  return [
    red(`${counted(found.length, 'record')} not as expected`),
    ...found
      .slice(0, mostShown)
      .flatMap(({ id, expected, found: came }) => [
        line`  ${id}`,
        line`    expected ${textOf(expected)}`,
        line`    found    ${textOf(came)}`,
      ]),
    ...(found.length > mostShown ? [`  and ${found.length - mostShown} more`] : []),
  ];
}

function textOf(side: readonly unknown[] | string): string {
  if (typeof side === 'string') return side;
  return side.length === 0 ? 'no row' : side.map((values) => JSON.stringify(values)).join(' ');
}
