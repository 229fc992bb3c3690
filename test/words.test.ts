import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

/** Everything that people read here is plain English: documents, messages and comments. */

interface Text {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly text: string;
}

const root = dirname(import.meta.dirname);
const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...filesIn('docs', /\.md$/),
  ...filesIn('bench', /\.md$/),
];
const programs = [
  ...filesIn('packages', /\.tsx?$/),
  ...filesIn('bench', /\.ts$/),
  ...filesIn('scripts', /\.ts$/),
];
const tests = filesIn('test', /\.ts$/).filter((path) => !import.meta.filename.endsWith(path));

test.each(documents)('%s', (path) => {
  expect(hardWords(read(path))).toEqual([]);
});

test('the programs', () => {
  const found = programs.map(read).flatMap((file) => [...hardWords(file), ...hardBeginnings(file)]);
  expect(found).toEqual([]);
});

test('the migrations since the release, and the rights', () => {
  const frozen = read('packages/core/src/postgres/migrations/released.sha256').text;
  const written = filesIn('packages/core/src/postgres/migrations', /\.sql$/).filter(
    (path) => !frozen.includes(basename(path)),
  );
  expect(written.map(read).flatMap(hardWords)).toEqual([]);
});

test('the comments of tests', () => {
  expect(tests.map(read).flatMap(hardBeginnings)).toEqual([]);
});

describe('found', () => {
  const of = (text: string) => ({ path: 'a.ts', text });

  test.each(['It is refused, but\n * for one.', 'is told', 'It is no number.', 'whoever asks'])(
    'in %j',
    (text) => {
      expect(hardWords(of(text))).toHaveLength(1);
    },
  );

  test.each(['There is no hook.', 'It is no longer live.'])('not in %j', (text) => {
    expect(hardWords(of(text))).toEqual([]);
  });

  test.each([
    '/** Of the file. */',
    '  // What is left.',
    '/**\n * Counts rows.\n *\n * That is fast.\n */',
    '/** Counts rows. As long as it can. */',
  ])('at the beginning of a sentence of %j', (text) => {
    expect(hardBeginnings(of(text))).toHaveLength(1);
  });

  test.each(['/** What is live? */', "const what = 'What of it';"])('not in %j', (text) => {
    expect(hardBeginnings(of(text))).toEqual([]);
  });
});

/** The wordings that must be read twice, as `path: words around it`. */
function hardWords({ path, text }: Text): string[] {
  const running = text.replace(/\s*\n\s*(?:\*|\/\/|--)? ?/g, ' ');
  return [...running.matchAll(hard)].map(({ 0: words, index }) => {
    const around = running.slice(Math.max(0, index - 30), index + words.length + 30);
    return `${path}: ${around}`;
  });
}

/** Sentences of comments that begin with a word of a question and ask none, as `path: sentence`. */
function hardBeginnings({ path, text }: Text): string[] {
  const blocks = [...text.matchAll(/\/\*\*(.*?)\*\//gs)].map(([, inner = '']) =>
    inner.replace(/\n\s*\*/g, '\n'),
  );
  const lines = [...text.matchAll(/(?:^[^'"`\n]*?\/\/ .*\n?)+/gm)].map(([all]) =>
    all.replace(/^.*?\/\//gm, ''),
  );
  return [...blocks, ...lines]
    .flatMap((comment) => comment.split(/\n\s*\n/))
    .flatMap((paragraph) =>
      paragraph
        .replace(/\s+/g, ' ')
        .trim()
        .split(/(?<=[.!?]) (?=[A-Z])/),
    )
    .filter((sentence) => /^(What|Who|Of|That|As) /.test(sentence) && !sentence.endsWith('?'))
    .map((sentence) => `${path}: ${sentence}`);
}

function filesIn(folder: string, names: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && names.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path));
}

function read(path: string): Text {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}

const hard = new RegExp(
  [
    'nothing counts that',
    'what would have stopped',
    'is not taken at a SIGHUP',
    'if it is not live it stays so',
    'which nobody claims meanwhile',
    'and nobody will end',
    'that nobody is trusted',
    'of a list that',
    'what does not go as it should',
    'nobody can be asked here',
    'which one shall be',
    'that it would run over',
    '\\bbut for\\b',
    '\\bparted by\\b',
    '\\b(?:is|are) told\\b',
    '\\btells? of\\b',
    '\\btold of\\b',
    '\\bthat it may not\\b',
    '\\b(?:for|to|by|from) who\\b',
    '\\bwho wants it\\b',
    '\\bwhoever\\b',
    '(?<!\\bthere )\\bis no (?!longer|more|such)\\w',
  ].join('|'),
  'gi',
);
