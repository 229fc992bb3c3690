import type { Graph, Node } from './graph.ts';

/** A graph as Mermaid and as DOT. Text of records and hooks is quoted, so that none of it is read as markup. */

export function mermaid({ nodes, edges }: Graph): string {
  const names = namesOf(nodes);
  return [
    'flowchart LR',
    ...nodes.map((node) => `  ${names.get(node.id)}["${labelOf(node).map(mermaidText).join('<br/>')}"]`),
    ...edges.map(
      ({ from, to, label }) => `  ${names.get(from)} -->|"${mermaidText(label)}"| ${names.get(to)}`,
    ),
  ].join('\n');
}

/** Entities by number are what Mermaid's own grammar takes for signs that it would read. */
function mermaidText(text: string): string {
  return flat(text).replace(/[^\p{L}\p{N} .,:/@=+_-]/gu, (sign) => `#${sign.codePointAt(0)};`);
}

export function dot({ title, nodes, edges }: Graph): string {
  const names = namesOf(nodes);
  return [
    `digraph ${dotText(title)} {`,
    '  rankdir=LR;',
    '  node [shape=box, fontname="sans-serif"];',
    ...nodes.map((node) => `  ${names.get(node.id)} [label=${dotLabel(labelOf(node))}];`),
    ...edges.map(
      ({ from, to, label }) => `  ${names.get(from)} -> ${names.get(to)} [label=${dotText(label)}];`,
    ),
    '}',
  ].join('\n');
}

function dotText(text: string): string {
  return `"${flat(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function dotLabel(lines: readonly string[]): string {
  return `"${lines.map((line) => dotText(line).slice(1, -1)).join('\\n')}"`;
}

function namesOf(nodes: readonly Node[]): ReadonlyMap<string, string> {
  return new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
}

function labelOf({ kind, title, facts }: Node): string[] {
  return [`${kind} ${title}`, ...facts.map(([name, content]) => `${name}: ${shortened(content, 60)}`)];
}

/** Control characters and ends of lines would end a label. */
export function flat(text: string): string {
  return text.toWellFormed().replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ');
}

export function shortened(text: string, most: number): string {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join('')}…`;
}
