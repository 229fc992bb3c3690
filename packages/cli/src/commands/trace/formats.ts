import type { Output } from '../../terminal/output.ts';
import { graphOf } from './graph/graph.ts';
import { html } from './graph/html.ts';
import { dot, mermaid } from './graph/text.ts';
import { treeLines } from './graph/tree.ts';
import type { Traced } from './target.ts';

/** The formats of a trace that are drawn here. */
export const drawnFormats = ['tree', 'mermaid', 'dot', 'html'] as const;
export type DrawnFormat = (typeof drawnFormats)[number];

export function showDrawn(traced: Traced, format: DrawnFormat, output: Output): void {
  const graph = graphOf(traced);
  if (format === 'tree') output.stream(treeLines(graph));
  else output.document({ mermaid, dot, html }[format](graph));
}
