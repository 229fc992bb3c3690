import { buffer } from 'node:stream/consumers';
import yazl from 'yazl';

const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const relations = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';

/** A workbook as programs write it: rows as XML, texts that cells share, and other parts instead of the usual ones. */
export async function workbook(
  rows: string,
  {
    shared = [],
    parts = {},
    properties = '',
  }: {
    readonly shared?: readonly string[];
    readonly parts?: Readonly<Record<string, string | Buffer>>;
    readonly properties?: string;
  } = {},
): Promise<Buffer> {
  const usual = {
    'xl/workbook.xml': `<workbook xmlns="${main}" xmlns:r="${relations}">${properties}<sheets><sheet name="a" sheetId="1" r:id="rId7"/><sheet name="b" sheetId="2" r:id="rId8"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships><Relationship Id="rId8" Target="worksheets/other.xml"/><Relationship Id="rId7" Target="worksheets/sheet1.xml"/></Relationships>`,
    'xl/sharedStrings.xml': `<sst xmlns="${main}">${shared.map((text) => `<si>${text}</si>`).join('')}</sst>`,
    'xl/worksheets/sheet1.xml': `<worksheet xmlns="${main}"><sheetData>${rows}</sheetData></worksheet>`,
    ...parts,
  };
  const zip = new yazl.ZipFile();
  for (const [name, content] of Object.entries(usual)) zip.addBuffer(Buffer.from(content), name);
  zip.end();
  return buffer(zip.outputStream);
}

/** A row of inline texts, or of cells as they are. */
export function row(number: number, ...cells: readonly string[]): string {
  const written = cells.map((cell, column) => {
    const place = `${String.fromCharCode(65 + column)}${number}`;
    if (cell === '') return '';
    return cell.startsWith('<')
      ? cell.replace('<c', `<c r="${place}"`)
      : `<c r="${place}" t="inlineStr"><is><t>${cell}</t></is></c>`;
  });
  return `<row r="${number}">${written.join('')}</row>`;
}
