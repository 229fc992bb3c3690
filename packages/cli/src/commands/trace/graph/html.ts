import type { Edge, Graph, Node } from './graph.ts';
import { flat, shortened } from './text.ts';

/** A graph as one page that needs nothing else: an SVG, drawn in columns from what was asked about to where it came from. */
export function html(graph: Graph): string {
  const title = escaped(graph.title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
${svg(graph)}
</body>
</html>`;
}

const style = `
:root { color-scheme: light dark; --text: #1d2430; --quiet: #5b6675; --page: #fff; --box: #f6f8fa; --line: #8794a5; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e8ef; --quiet: #9aa7b7; --page: #12161c; --box: #1b222b; --line: #6b7a8d; }
}
body { margin: 24px; background: var(--page); color: var(--text); font: 14px/1.4 system-ui, sans-serif; }
h1 { font-size: 18px; font-weight: 600; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
text { fill: var(--text); font: 13px system-ui, sans-serif; }
.quiet { fill: var(--quiet); font-size: 12px; }
.title { font-weight: 600; }
rect { fill: var(--box); stroke: var(--line); }
path { fill: none; stroke: var(--line); }
marker path { fill: var(--line); stroke: none; }
.row rect { stroke: #2f81f7; stroke-width: 2; }
.record rect { stroke: #2da44e; stroke-width: 2; }
.run rect { stroke: #bf8700; stroke-width: 2; }
.release rect { stroke: #a371f7; stroke-width: 2; }
`;

/** How much smaller the drawing may get, so that its text can still be read; a small screen scrolls. */
const readable = 0.65;
const [width, gap, between, padding, lineHeight] = [340, 160, 22, 12, 18];
const mostLetters = { title: 38, fact: 46 };

interface Place {
  readonly node: Node;
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

function svg(graph: Graph): string {
  const places = placed(graph);
  const right = Math.max(...[...places.values()].map(({ x }) => x + width)) + 2;
  const bottom = Math.max(...[...places.values()].map(({ y, height }) => y + height)) + 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${right} ${bottom}" width="${right}" height="${bottom}" style="min-width:${Math.round(right * readable)}px" role="img">`,
    '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">' +
      '<path d="M0 0L8 4L0 8z"/></marker></defs>',
    ...graph.edges.map((edge) => drawnEdge(edge, places)),
    ...[...places.values()].map(drawnNode),
    '</svg>',
  ].join('\n');
}

/** A column for each step from the first node; in a column, the nodes below each other, around the middle. */
function placed({ nodes, edges }: Graph): ReadonlyMap<string, Place> {
  const depths = new Map<string, number>([[nodes[0]?.id ?? '', 0]]);
  for (const id of depths.keys()) {
    for (const edge of edges) {
      if (edge.from === id && !depths.has(edge.to)) depths.set(edge.to, (depths.get(id) ?? 0) + 1);
    }
  }
  const columns: Node[][] = [];
  for (const node of nodes) {
    const depth = depths.get(node.id) ?? 0;
    columns[depth] ??= [];
    columns[depth].push(node);
  }
  const heightOf = (column: readonly Node[]) =>
    column.reduce((sum, node) => sum + boxHeight(node) + between, -between);
  const tallest = Math.max(...columns.map(heightOf));
  const places = new Map<string, Place>();
  columns.forEach((column, depth) => {
    let y = 1 + (tallest - heightOf(column)) / 2;
    for (const node of column) {
      const height = boxHeight(node);
      places.set(node.id, { node, x: 1 + depth * (width + gap), y, height });
      y += height + between;
    }
  });
  return places;
}

function boxHeight({ facts }: Node): number {
  return 2 * padding + (2 + facts.length) * lineHeight - 4;
}

function drawnNode({ node, x, y, height }: Place): string {
  const line = (index: number) => y + padding + (index + 1) * lineHeight - 5;
  const left = x + padding;
  const title = shortened(flat(node.title), mostLetters.title);
  return [
    `<g class="${node.kind}"><title>${escaped(node.title)}</title>`,
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`,
    `<text class="quiet" x="${left}" y="${line(0)}">${node.kind}</text>`,
    `<text class="title" x="${left}" y="${line(1)}">${escaped(title)}</text>`,
    ...node.facts.map(([name, content], index) => {
      const shown = shortened(`${name}: ${flat(content)}`, mostLetters.fact);
      return `<text class="quiet" x="${left}" y="${line(index + 2)}">${escaped(shown)}</text>`;
    }),
    '</g>',
  ].join('');
}

function drawnEdge({ from, to, label }: Edge, places: ReadonlyMap<string, Place>): string {
  const [start, end] = [places.get(from), places.get(to)];
  if (!start || !end) return '';
  const [x1, y1] = [start.x + width, start.y + start.height / 2];
  const [x2, y2] = [end.x - 2, end.y + end.height / 2];
  const middle = (x1 + x2) / 2;
  return (
    `<path d="M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}" marker-end="url(#end)"/>` +
    `<text class="quiet" x="${x2 - 10}" y="${y2 - 6}" text-anchor="end">${escaped(label)}</text>`
  );
}

function escaped(text: string): string {
  return flat(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
