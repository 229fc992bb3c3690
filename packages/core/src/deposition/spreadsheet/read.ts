import { OsaError } from '../../error.ts';
import { bounds } from '../../limits.ts';
import { readXml } from './xml.ts';
import { noWorkbook, openParts, type Parts } from './zip.ts';

/** A cell of a sheet, as it is stored. */
export interface SheetCell {
  /** `number` is the digits of a double, `error` what a program shows in the place of a value. */
  readonly kind: 'text' | 'number' | 'boolean' | 'error';
  readonly text: string;
  /** Whether it is what a formula gave when a program last computed it; formulas are never run here. */
  readonly isFormula: boolean;
}

export interface Sheet {
  /** Cells of the first rows by their columns, which begin with 0. */
  readonly rows: readonly ReadonlyMap<number, SheetCell>[];
  /** Whether later rows hold something. */
  readonly hasMore: boolean;
  /** Whether days are counted from 1904 and not from 1900. */
  readonly since1904: boolean;
}

type Draft = { kind: SheetCell['kind'] | 'shared'; text: string; isFormula: boolean };

/** Characters of all cells that are kept. */
const mostText = bounds.lineBytes;

/**
 * Reads the first rows of a workbook's first sheet. Formulas, macros, styles and links are not looked at.
 *
 * @throws OsaError `invalid`, `too_large`
 */
export async function readSheet(bytes: Buffer, rowCount: number): Promise<Sheet> {
  const parts = await openParts(bytes);
  const { path, since1904 } = await firstSheet(parts);
  const { rows, hasMore } = await readRows(parts, path, rowCount);
  const wanted = new Set(
    rows.flatMap((row) => [...row.values()].flatMap(({ kind, text }) => (kind === 'shared' ? [text] : []))),
  );
  const shared = wanted.size === 0 ? new Map<string, string>() : await sharedTexts(parts, wanted);
  const whole = (cell: Draft): SheetCell => {
    if (cell.kind !== 'shared') return { ...cell, kind: cell.kind };
    const text = shared.get(cell.text);
    if (text === undefined)
      throw noWorkbook(`it names a text ${JSON.stringify(cell.text)} that is not there`);
    return { ...cell, kind: 'text', text };
  };
  return {
    rows: rows.map((row) => new Map([...row].map(([column, cell]) => [column, whole(cell)]))),
    hasMore,
    since1904,
  };
}

async function firstSheet(parts: Parts): Promise<{ path: string; since1904: boolean }> {
  let id: string | undefined;
  let since1904 = false;
  await readXml(parts.read('xl/workbook.xml'), 'xl/workbook.xml', {
    open(name, attributes) {
      if (name === 'workbookPr') since1904 = ['1', 'true'].includes(attributes.date1904 ?? '');
      if (name === 'sheet') id ??= attributes.id;
    },
  });
  let target: string | undefined;
  await readXml(parts.read('xl/_rels/workbook.xml.rels'), 'xl/_rels/workbook.xml.rels', {
    open(name, { Id, Target, TargetMode }) {
      if (name === 'Relationship' && Id === id && TargetMode !== 'External') target ??= Target;
    },
  });
  if (id === undefined || target === undefined) throw noWorkbook('it has no sheet');
  return { path: target.startsWith('/') ? target.slice(1) : `xl/${target}`, since1904 };
}

async function readRows(parts: Parts, path: string, rowCount: number) {
  const rows: Map<number, Draft>[] = Array.from({ length: rowCount }, () => new Map());
  let [hasMore, row, column, kept] = [false, 0, -1, 0];
  let cell: Draft | undefined;
  let isValue = false;
  let found = false;
  await readXml(parts.read(path), path, {
    open(name, { r, t }) {
      found = true;
      if (name === 'row') [row, column] = [r === undefined ? row + 1 : Number(r), -1];
      if (name === 'c') {
        column = r === undefined ? column + 1 : columnOf(r);
        if (column >= 2 * bounds.fields) {
          throw new OsaError('too_large', `file: a sheet has ${2 * bounds.fields} columns at most`, {
            field: 'file',
          });
        }
        cell = { kind: kindOf(t), text: '', isFormula: false };
      }
      if (name === 'f' && cell) cell.isFormula = true;
      isValue = name === 'v' || name === 't';
    },
    text(text) {
      if (!cell || !isValue) return;
      kept += text.length;
      if (kept > mostText) {
        throw new OsaError('too_large', `file: its cells hold more than ${mostText} characters`, {
          field: 'file',
        });
      }
      cell.text += text;
    },
    close(name, stop) {
      isValue = false;
      if (name !== 'c' || !cell) return;
      const isEmpty = cell.text === '' && !cell.isFormula;
      if (row > rowCount && !isEmpty) {
        hasMore = true;
        stop();
      } else if (!isEmpty) rows[row - 1]?.set(column, cell);
      cell = undefined;
    },
  });
  if (!found) throw noWorkbook('its first sheet is not there');
  return { rows, hasMore };
}

function kindOf(type: string | undefined): Draft['kind'] {
  switch (type) {
    case 's':
      return 'shared';
    case 'b':
      return 'boolean';
    case 'e':
      return 'error';
    case undefined:
    case 'n':
      return 'number';
    default:
      return 'text';
  }
}

/** `C2` is in the third column. */
function columnOf(reference: string): number {
  const [, letters] = /^([A-Z]{1,3})\d{1,7}$/.exec(reference) ?? [];
  if (letters === undefined)
    throw noWorkbook(`a cell has the place ${JSON.stringify(reference.slice(0, 20))}`);
  return [...letters].reduce((place, letter) => place * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

/** Texts that cells share, by their numbers. How they are to be spoken is left out. */
async function sharedTexts(parts: Parts, wanted: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  let [index, kept] = [-1, 0];
  let isText = false;
  let isSpoken = false;
  await readXml(parts.read('xl/sharedStrings.xml'), 'xl/sharedStrings.xml', {
    open(name) {
      if (name === 'si') index += 1;
      if (name === 'rPh') isSpoken = true;
      isText = name === 't';
      if (name === 'si' && wanted.has(String(index))) texts.set(String(index), '');
    },
    text(text) {
      const before = texts.get(String(index));
      if (!isText || isSpoken || before === undefined) return;
      kept += text.length;
      if (kept > mostText) {
        throw new OsaError('too_large', `file: its cells hold more than ${mostText} characters`, {
          field: 'file',
        });
      }
      texts.set(String(index), before + text);
    },
    close(name) {
      isText = false;
      if (name === 'rPh') isSpoken = false;
    },
  });
  return texts;
}
