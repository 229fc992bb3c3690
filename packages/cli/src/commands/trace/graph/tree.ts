import { block, bold, dim, type Line, line, shortened } from '../../../terminal/paint.ts';
import type { Graph, Node } from './graph.ts';

/**
 * A graph as a tree that is as wide as the terminal. A node that was drawn before is named again, without its branches.
 */
export function treeLines({ nodes, edges }: Graph): Line[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const seen = new Set<string>();
  const lines: Line[] = [];
  const draw = (node: Node, [head, below]: readonly [string, string], label: string): void => {
    const isAgain = seen.has(node.id);
    seen.add(node.id);
    const again = isAgain ? dim(' (see above)') : '';
    lines.push(
      fitting(head, line`${dim(label === '' ? '' : `${label} `)}${node.kind} ${bold(node.title)}${again}`),
    );
    if (isAgain) return;
    const branches = edges.filter(({ from }) => from === node.id);
    const side = branches.length > 0 ? '│ ' : '  ';
    for (const [name, content] of node.facts)
      lines.push(fitting(below + side, line`${dim(name)} ${content}`));
    branches.forEach((edge, index) => {
      const target = byId.get(edge.to);
      const isLast = index === branches.length - 1;
      const ends = [below + (isLast ? '└─ ' : '├─ '), below + (isLast ? '   ' : '│  ')] as const;
      if (target) draw(target, ends, edge.label);
    });
  };
  const [first] = nodes;
  if (first) draw(first, ['', ''], '');
  return lines;
}

/** A line that is cut at the edge of the terminal, after the signs of the tree. */
function fitting(head: string, content: Line): Line {
  return line`${dim(head)}${block((screen) =>
    screen.columns === undefined ? [content] : [shortened(content, screen.columns, screen)],
  )}`;
}
