import { buffer } from 'node:stream/consumers';

/** A cell to be written: a text, or the digits of a number. */
export interface WrittenCell {
  readonly kind: 'text' | 'number';
  readonly text: string;
}

const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const office = 'http://schemas.openxmlformats.org';
const document = `${office}/officeDocument/2006/relationships`;
const main = `${office}/spreadsheetml/2006/main`;
const packaged = `${office}/package/2006`;
const type = 'application/vnd.openxmlformats-officedocument.spreadsheetml';

const cellStyle = (attributes: string) => `<xf ${attributes} fillId="0" borderId="0" xfId="0"/>`;

/** Programs refuse fills and borders that say nothing. Format 49 is that of texts. */
const styles = [
  `<styleSheet xmlns="${main}">`,
  '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>',
  '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>',
  '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>',
  '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>',
  '<cellXfs count="3">',
  cellStyle('numFmtId="0" fontId="0"'),
  cellStyle('numFmtId="49" fontId="1" applyFont="1" applyNumberFormat="1"'),
  cellStyle('numFmtId="49" fontId="0" applyNumberFormat="1"'),
  '</cellXfs>',
  '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>',
  '</styleSheet>',
].join('');

/** The same rows are the same bytes. */
const writtenAt = new Date('2000-01-01T00:00:00Z');

/**
 * A workbook (ECMA-376) of one sheet. Columns are as text unless `isNumber` says otherwise, so that no program takes a
 * name for a date. The first row is bold.
 */
export async function writeSheet(
  rows: readonly (readonly (WrittenCell | undefined)[])[],
  columns: readonly { readonly isNumber: boolean }[],
): Promise<Buffer> {
  const { default: yazl } = await import('yazl');
  const zip = new yazl.ZipFile();
  const parts = {
    '[Content_Types].xml': `<Types xmlns="${packaged}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="${type}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${type}.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="${type}.styles+xml"/></Types>`,
    '_rels/.rels': `<Relationships xmlns="${packaged}/relationships"><Relationship Id="rId1" Type="${document}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    'xl/workbook.xml': `<workbook xmlns="${main}" xmlns:r="${document}"><sheets><sheet name="record" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships xmlns="${packaged}/relationships"><Relationship Id="rId1" Type="${document}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="${document}/styles" Target="styles.xml"/></Relationships>`,
    // 0: as it is. 1: bold text. 2: text.
    'xl/styles.xml': styles,
    'xl/worksheets/sheet1.xml': sheetText(rows, columns),
  };
  for (const [name, text] of Object.entries(parts)) {
    zip.addBuffer(Buffer.from(head + text), name, { mtime: writtenAt });
  }
  zip.end();
  return buffer(zip.outputStream);
}

function sheetText(
  rows: readonly (readonly (WrittenCell | undefined)[])[],
  columns: readonly { readonly isNumber: boolean }[],
): string {
  const widths = columns.map(
    ({ isNumber }, index) =>
      `<col min="${index + 1}" max="${index + 1}" width="24" customWidth="1"${isNumber ? '' : ' style="2"'}/>`,
  );
  const lines = rows.map((cells, row) => {
    const written = cells.map((cell, column) => {
      const style = row === 0 ? 1 : columns[column]?.isNumber && row > 1 ? 0 : 2;
      return cell ? cellText(cell, `${lettersOf(column)}${row + 1}`, style) : '';
    });
    return `<row r="${row + 1}">${written.join('')}</row>`;
  });
  const cols = widths.length > 0 ? `<cols>${widths.join('')}</cols>` : '';
  return `<worksheet xmlns="${main}">${cols}<sheetData>${lines.join('')}</sheetData></worksheet>`;
}

function cellText({ kind, text }: WrittenCell, place: string, style: number): string {
  if (kind === 'number') return `<c r="${place}" s="${style}"><v>${text}</v></c>`;
  return `<c r="${place}" s="${style}" t="inlineStr"><is><t xml:space="preserve">${escaped(text)}</t></is></c>`;
}

/** XML has no place for most control characters, so they are left out. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\P{Cc}\t\n\r]|[\uFFFE\uFFFF]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
}

function lettersOf(column: number): string {
  const rest = Math.floor(column / 26) - 1;
  return (rest >= 0 ? lettersOf(rest) : '') + String.fromCharCode(65 + (column % 26));
}
