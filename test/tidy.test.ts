import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** The structure of the code, held by a test: which part may import which, and a few habits. */

interface Source {
  /** Path from the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Directions that must not be: what a file's path matches, and what it then must not import. */
const forbidden: readonly { readonly from: RegExp; readonly to: RegExp; readonly why: string }[] = [
  {
    from: /^packages\/cli\//,
    to: /^packages\/core\/src\/postgres\/|^postgres$/,
    why: 'the CLI talks to a daemon',
  },
  {
    from: /^packages\/cli\/src\/(?!commands\/hooks\/trial\/)/,
    to: /^packages\/core\/src\/runners\//,
    why: 'only a trial of a hook does without a daemon',
  },
  { from: /^packages\/cli\//, to: /^packages\/daemon\//, why: 'CLI and daemon share core only' },
  { from: /^packages\/daemon\//, to: /^packages\/cli\//, why: 'CLI and daemon share core only' },
  { from: /^packages\/core\//, to: /^packages\/(cli|daemon)\//, why: 'core knows neither of its users' },
  {
    from: /^packages\/core\/src\/(?!postgres\/|runners\/|storage\/)/,
    to: /^packages\/core\/src\/(postgres|runners)\/|^packages\/core\/src\/storage\/(?!index)/,
    why: 'adapters import concepts, never the reverse',
  },
  {
    from: /^packages\/core\/src\/(?!postgres\/)|^packages\/(cli|daemon)\//,
    to: /^postgres$/,
    why: 'SQL stands in postgres/ only',
  },
  { from: /./, to: /^packages\/.*\/test\//, why: 'the product does not need its tests' },
];

test('imports go one way', () => {
  expect(wrongImports(sources('packages'))).toEqual([]);
});

test.each([
  ['packages/cli/src/http/client.ts', "import { connect } from '@osa/core/postgres/connection/connect';"],
  [
    'packages/cli/src/http/client.ts',
    "const { connect } = await import('@osa/core/postgres/connection/connect');",
  ],
  ['packages/core/src/hook/live.ts', "import { registryWrites } from '../postgres/registry/writes.ts';"],
  ['packages/core/src/api/index.ts', "import type { Database } from '../postgres/connection/connect.ts';"],
  ['packages/core/src/run/execute.ts', "import { processRunner } from '../runners/process/process.ts';"],
  ['packages/daemon/src/daemon.ts', "export { run } from '../../cli/src/program.ts';"],
  ['packages/daemon/src/worker/worker.ts', "import postgres from 'postgres';"],
])('%s may not hold: %s', (path, text) => {
  expect(wrongImports([{ path, text }])).toHaveLength(1);
});

// scaffold.ts holds the text of a hook, which reads its own environment.
test('the environment is read in config.ts, and only main.ts ends the process', () => {
  const offenders = sources('packages').filter(
    ({ path, text }) =>
      (/\bprocess\.env\b/.test(text) && !/\/(config|scaffold)\.ts$/.test(path)) ||
      (/\bprocess\.exit\(/.test(text) && !/\/main\.ts$/.test(path)),
  );
  expect(offenders.map(({ path }) => path)).toEqual([]);
});

test('no program that we start inherits our environment, and git is asked in one file', () => {
  const starting = sources('packages').filter(({ text }) =>
    /^import (?!type).* from '(?:execa|node:child_process)';/m.test(text),
  );
  expect(starting.length).toBeGreaterThan(5);
  const inheriting = starting.filter(
    ({ text }) => !/\benv\b/.test(text) || (/from 'execa'/.test(text) && !text.includes('extendEnv: false')),
  );
  expect(inheriting.map(({ path }) => path)).toEqual([]);
  const asking = starting.filter(({ text }) => /\(\s*'git'/.test(text));
  expect(asking.map(({ path }) => path)).toEqual(['packages/core/src/system/git.ts']);
});

test('no file is longer than 300 lines, and none is a drawer for everything', () => {
  const all = [...sources('packages'), ...sources('scripts'), ...sources('bench')];
  const long = all.filter(({ text }) => text.split('\n').length > 301).map(({ path }) => path);
  const drawers = all
    .filter(({ path }) => /\/(utils?|helpers?|common|misc)\.tsx?$/.test(path))
    .map(({ path }) => path);
  expect(long).toEqual([]);
  expect(drawers).toEqual([]);
});

test('a folder holds 16 files at most', () => {
  const tables = /^packages\/cli\/src\/commands\//;
  const counts = new Map<string, number>();
  const all = ['packages', 'scripts', 'bench', 'test'].flatMap(sources);
  for (const { path } of all.filter((file) => !tables.test(file.path))) {
    counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  }
  expect([...counts].filter(([, count]) => count > 16)).toEqual([]);
});

test('no promise is begun and then left unheard while another is awaited', () => {
  expect(unheardPromises(sources('packages'))).toEqual([]);
});

test.each([
  ['  const b = f();\n  await g();\n  await b;\n', ['x.ts: b']],
  ['  const b = f(\n    1,\n  );\n  const a = await g();\n  return [a, (await b).c];\n', ['x.ts: b']],
  ['  const b = f();\n  await g();\n  const [a] = await Promise.all([a, b]);\n', ['x.ts: b']],
  ['  const b = f();\n  await Promise.all([g(), b]);\n', []],
  ['  const b = f();\n  b.catch(() => undefined);\n  await g();\n  await b;\n', []],
  ['  const b = await f();\n  await g();\n  await b;\n', []],
])('the search for those finds them in %j', (text, found) => {
  expect(unheardPromises([{ path: 'x.ts', text: `function x() {\n${text}}\n` }])).toEqual(found);
});

test('modules do not import each other in a ring', () => {
  const files = sources('packages');
  const graph = new Map(files.map((file) => [file.path, staticImports(file)]));
  expect(findRing(graph)).toEqual([]);
});

test('no default exports, star exports or escape hatches', () => {
  const patterns = [
    /^export default/m,
    /^export \*/m,
    /@ts-(ignore|nocheck|expect-error)/,
    /\bas any\s*[;,)\].]/,
  ];
  const offenders = sources('packages').filter(({ text }) => patterns.some((pattern) => pattern.test(text)));
  expect(offenders.map(({ path }) => path)).toEqual([]);
});

function wrongImports(files: readonly Source[]): string[] {
  return files.flatMap((file) =>
    imports(file).flatMap((target) =>
      forbidden
        .filter(({ from, to }) => from.test(file.path) && to.test(target))
        .slice(0, 1)
        .map(({ why }) => `${file.path} imports ${target}: ${why}`),
    ),
  );
}

/** An import of a file: a path from the root for our own files, else the name of the package. */
function imports({ path, text }: Source): string[] {
  const found = text.matchAll(/(?:^|[^\w])(?:import|export)\b[^'"`;]*?(?:from\s*)?\(?\s*['"]([^'"\n]+)['"]/g);
  return [...found].map(([, specifier = '']) => resolve(path, specifier));
}

/** Imports of types count; `import()` does not, since it runs later. */
function staticImports({ path, text }: Source): string[] {
  return imports({ path, text: text.replace(/\bimport\([^)]*\)/g, '') });
}

function resolve(path: string, specifier: string): string {
  const [, name, rest] = /^@osa\/(core|cli|daemon)\/(.+)$/.exec(specifier) ?? [];
  if (name && rest) return `packages/${name}/src/${rest}.ts`;
  if (!specifier.startsWith('.')) return specifier;
  return join(dirname(path), specifier).replaceAll('\\', '/');
}

function findRing(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): string[] => {
    if (trail.includes(node)) return [...trail.slice(trail.indexOf(node)), node];
    if (done.has(node)) return [];
    for (const next of graph.get(node) ?? []) {
      const ring = visit(next, [...trail, node]);
      if (ring.length > 0) return ring;
    }
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const ring = visit(node, []);
    if (ring.length > 0) return ring;
  }
  return [];
}

/**
 * Promises that are begun, and awaited only after another wait. If that one fails, nobody hears the first, and an unheard
 * rejection ends the daemon. Such a promise needs `.catch`, or both are awaited together.
 */
function unheardPromises(files: readonly Source[]): string[] {
  return files.flatMap(({ path, text }) =>
    [
      ...text.matchAll(/^( *)const (\w+)(?:: [^=\n]+)? = (?!await |new |async )(\w[^;]*?\([^;]*);\n/gm),
    ].flatMap(({ 0: all, 1: indent = '', 2: name = '', 3: begun = '', index }) => {
      const rest = text.slice(index + all.length);
      const block = rest.slice(0, rest.search(new RegExp(`^ {0,${Math.max(indent.length - 1, 0)}}\\S`, 'm')));
      const awaited = block.search(
        new RegExp(`await ${name}\\b(?!\\s*[.(\\[?])|Promise\\.\\w+\\(\\[(?:[^\\]({]*, ?)?${name}[,\\]]`),
      );
      const before = block.slice(0, Math.max(block.lastIndexOf(';\n', awaited), 0));
      const isHeard = begun.includes('.catch(') || block.includes(`${name}.catch(`);
      return awaited >= 0 && /\bawait\b/.test(before) && !isHeard ? [`${path}: ${name}`] : [];
    }),
  );
}

function sources(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}
