import { OsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import type { Output } from '../../terminal/output.ts';
import { graphOf } from './graph/graph.ts';
import { html } from './graph/html.ts';
import { dot, mermaid } from './graph/text.ts';
import { treeLines } from './graph/tree.ts';
import type { Traced } from './target.ts';

/** The formats of a trace that are drawn here. */
export const drawnFormats = ['tree', 'mermaid', 'dot', 'html'] as const;
export type DrawnFormat = (typeof drawnFormats)[number];

/** The formats that the server makes, of rows. */
export const exportFormats = ['prov-jsonld', 'ro-crate', 'openlineage', 'in-toto'] as const;
type ExportFormat = (typeof exportFormats)[number];

export function isExport(format: DrawnFormat | ExportFormat): format is ExportFormat {
  return exportFormats.some((known) => known === format);
}

/** Prints the file as the server wrote it, byte for byte. @throws OsaError `usage` for what is not a row */
export async function showExport(
  client: Client,
  { kind, name }: Traced,
  format: ExportFormat,
  output: Output,
): Promise<void> {
  const [hook = '', id] = name.split('/');
  if (kind !== 'row') {
    throw new OsaError(
      'usage',
      `--format ${format} is of a row, and ${name} is a ${kind}; name one of its rows`,
      {
        field: 'format',
      },
    );
  }
  const bytes = await client.call('exportRow', { params: { hook, id: Number(id), format } });
  output.document(Buffer.from(bytes).toString('utf8').replace(/\n$/, ''));
}

export function showDrawn(traced: Traced, format: DrawnFormat, output: Output): void {
  const graph = graphOf(traced);
  if (format === 'tree') output.stream(treeLines(graph));
  else output.document({ mermaid, dot, html }[format](graph));
}
