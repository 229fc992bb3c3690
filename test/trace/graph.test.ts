import { type Graph, graphOf } from '@osa/cli/commands/trace/graph/graph';
import { html } from '@osa/cli/commands/trace/graph/html';
import { dot, mermaid } from '@osa/cli/commands/trace/graph/text';
import { treeLines } from '@osa/cli/commands/trace/graph/tree';
import { render } from '@osa/cli/terminal/paint';
import { expect, test } from 'vitest';
import { traceRow } from '../support/fixtures/cli-answers.ts';
import { type StoryArchive, storyArchive } from './story-archive.ts';

/** A trace drawn: as a tree, for Mermaid and Graphviz, and as a page. */

const hostile: Graph = {
  title: 'row <script>alert(1)</script>',
  nodes: [
    {
      id: 'a',
      kind: 'row',
      title: '"];\n</text><script>alert(2)</script>',
      facts: [['name', '\\" ] } \u2028 x\u0007']],
    },
    { id: 'b', kind: 'run', title: 'b', facts: [] },
  ],
  edges: [{ from: 'a', to: 'b', label: 'a|"b"-->c' }],
};

test('the text of a record is never markup', () => {
  const page = html(hostile);
  expect(page.match(/<script/g)).toBeNull();
  expect(page).not.toMatch(/\p{Cc}(?<!\n)/u);
  expect(mermaid(hostile).split('\n')).toEqual([
    'flowchart LR',
    '  n0["row #34;#93;#59; #60;/text#62;#60;script#62;alert#40;2#41;#60;/script#62;<br/>name: #92;#34; #93; #125;   x "]',
    '  n1["run b"]',
    '  n0 -->|"a#124;#34;b#34;--#62;c"| n1',
  ]);
  expect(dot(hostile)).toContain(
    'label="row \\"]; </text><script>alert(2)</script>\\nname: \\\\\\" ] }   x "',
  );
});

test('the page needs nothing else, and has a dark form', () => {
  const page = html(hostile);
  expect(page).not.toMatch(/(?:src|href)=|url\((?!#)|@import/);
  expect(page).toContain('prefers-color-scheme: dark');
  const [, width = 0, least = 0] = /<svg [^>]*width="(\d+)"[^>]*min-width:(\d+)px/.exec(page) ?? [];
  expect(Number(least) / Number(width)).toBeGreaterThan(0.6);
});

test('a tree is as wide as the terminal, and names what it has drawn before once more', () => {
  const trace = graphOf({ kind: 'row', name: traceRow.row.name, trace: traceRow });
  for (const columns of [40, 80, 200]) {
    const screen = { colours: false, isTerminal: true, columns, isAscii: false };
    const lines = treeLines(trace).map((laid) => render(laid, screen));
    expect(lines.filter((text) => text.length > columns)).toEqual([]);
    expect(lines[0]).toContain(traceRow.row.name);
    expect(lines.some((text) => text.startsWith('└─ computed by run'))).toBe(true);
  }
  const twice = { ...hostile, edges: [...hostile.edges, { from: 'a', to: 'b', label: 'again' }] };
  const plain = { colours: false, isTerminal: false, columns: undefined, isAscii: true };
  expect(
    treeLines(twice)
      .map((laid) => render(laid, plain))
      .at(-1),
  ).toBe('+- again run b (see above)');
});

test('each kind of answer is drawn in each format', async () => {
  const archive: StoryArchive = await storyArchive();
  try {
    const source = JSON.parse((await archive.osa(['trace', 'a', '--json'])).stdout);
    const names = [source.rows[0].name, 'tests:a', source.rows[0].run_id, 'probe@1', archive.deploys[0]];
    for (const name of names) {
      for (const [format, mark] of [
        ['tree', /─ /],
        ['mermaid', /^flowchart LR\n[\s\S]* -->/],
        ['dot', /^digraph "[\s\S]* -> /],
        ['html', /^<!doctype html>[\s\S]*<path d="M\d/],
      ] as const) {
        const { code, stdout } = await archive.osa(['trace', name, '--format', format]);
        expect([name, format, code]).toEqual([name, format, 0]);
        expect(stdout).toMatch(mark);
      }
    }
    expect((await archive.osa(['trace', 'a', '--format', 'dot', '--json'])).code).toBe(2);
    expect((await archive.osa(['trace', '-', '--format', 'dot'])).code).toBe(2);
  } finally {
    await archive.close();
  }
});
